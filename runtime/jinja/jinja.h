/*
 * jinja.h -- chat templates: the part of Jinja that published models use, with Python's meaning of it.
 *
 * docs/chat.md says what is supported.  What is not is refused by setun_jinja_open, naming construct and line, so that
 * the compiler refuses it and an executable never meets it.  Rendering gives the bytes that Hugging Face's
 * transformers gives (trim_blocks, lstrip_blocks, no autoescape), or an error.
 *
 * All memory is one block, taken by open; time, depth and output are bounded, so a hostile template ends in an error.
 * Opaque.  One template renders one conversation at a time.
 */
#ifndef SETUN_RUNTIME_JINJA_H
#define SETUN_RUNTIME_JINJA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SETUN_JINJA_TEXT   (256u << 10) /* the longest template, bytes */
#define SETUN_JINJA_MEMORY (64u << 20)  /* the block of one template: syntax tree, values, output */

struct setun_jinja;

/* Bytes, UTF-8, not terminated.  at == NULL: there is none. */
struct setun_jinja_text {
    const char *at;
    size_t n;
};

struct setun_jinja_error {
    uint32_t line; /* of the template, from 1; 0: no place */
    char text[244];
};

/* Parses a template of at most SETUN_JINJA_TEXT bytes; the text is copied.  memory: bytes of the block.  NULL: why. */
struct setun_jinja *setun_jinja_open(const char *text, size_t n, size_t memory, struct setun_jinja_error *why);
void setun_jinja_close(struct setun_jinja *t); /* NULL is fine */

struct setun_message {
    struct setun_jinja_text role, content;
};

/* A variable of the template beyond the usual ones. */
enum setun_jinja_var_kind { SETUN_JINJA_NONE, SETUN_JINJA_FALSE, SETUN_JINJA_TRUE, SETUN_JINJA_STRING };
struct setun_jinja_var {
    const char *name;
    enum setun_jinja_var_kind kind;
    struct setun_jinja_text text;
};

/* What strftime_now tells. */
struct setun_jinja_date {
    int year, month, day; /* month, day: from 1 */
    int hour, minute, second;
};

struct setun_jinja_input {
    const struct setun_message *messages;
    size_t n_messages;
    bool add_generation_prompt;
    struct setun_jinja_text bos, eos;    /* bos_token, eos_token; none: undefined, as for a tokenizer without one */
    const struct setun_jinja_date *date; /* NULL: strftime_now is undefined, and templates take their fallback */
    const struct setun_jinja_var *vars;  /* stronger than the variables above; tools and documents are none */
    size_t n_vars;
};

/* *out lies in the template's memory until the next render or close.  false: why; raise_exception's words too. */
bool setun_jinja_render(struct setun_jinja *t, const struct setun_jinja_input *in, struct setun_jinja_text *out,
                        struct setun_jinja_error *why);

#endif
