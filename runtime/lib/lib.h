/*
 * setun_lib.h -- one language model as a library.
 *
 * The machine code, the tokenizer and the weights are inside the library; it reads no file but what the kernel tells of
 * CPUs and memory, prints nothing, handles no signal and never ends the process.  All state is in a handle: open as
 * many as there is memory for, of this model and of others.  Link a static library with -lm -lpthread.
 *
 *     open, encode, prefill, then sample and step in turn, close
 *
 * Errors.  Functions return SETUN_LIB_OK (0) or another value of enum setun_lib_error; setun_lib_message has it in
 * words.  After an error of the caller's making (an argument, a full context, a state that is refused) the handle is as
 * it was before the call.  errno means nothing afterwards.
 *
 * Threads.  A handle has threads of its own, which sleep between calls.  It may be used from any thread, by one call at
 * a time; different handles at the same time.  Close them before dlclose.  In a child of fork() a handle of one thread
 * goes on; of one with more, which only the parent has, tokens are refused, and all else works, closing too.
 *
 * Time.  prefill in pieces of any size gives the same as at once, so a long prompt can be stopped between pieces.
 *
 * Floating point.  Each call sets the mode it needs and restores the caller's, so programs built with -ffast-math, or
 * that flush denormals or trap, get the same tokens as any other.
 *
 * Memory.  All of it is taken by open; prefill, step, sample, save and restore allocate nothing.  encode and chat take
 * what they need and give it back.
 */
#ifndef SETUN_LIB_H
#define SETUN_LIB_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* numbers */

/* Of the library, as SETUN_LIB_ID and the others are of this header: for programs that load a shared one, and for
 * languages that read no headers. */
uint64_t setun_lib_id(void);
const char *setun_lib_version(void); /* of the compiler that wrote it */
uint32_t setun_lib_vocab(void);
uint32_t setun_lib_outputs(void);

enum setun_lib_error {
    SETUN_LIB_OK = 0,
    SETUN_LIB_ARGUMENT, /* NULL, no token of the vocabulary, a setting out of range, a child of the process */
    SETUN_LIB_FULL,     /* the tokens do not fit the context any more */
    SETUN_LIB_ROOM,     /* the buffer is too short; *count says how long it has to be */
    SETUN_LIB_TEXT,     /* the tokenizer has no tokens for this text, or the chat template refuses it */
    SETUN_LIB_EMPTY,    /* no token was computed yet, so there is nothing to sample from or to see */
    SETUN_LIB_STATE,    /* saved by another model or another build, or damaged */
    SETUN_LIB_LACKS,    /* the model has no tokenizer, no chat template, or no logits */
    SETUN_LIB_MEMORY,   /* there is not enough memory, or a thread could not be started */
    SETUN_LIB_MACHINE,  /* the CPU or the kernel lacks a feature that the code needs */
    SETUN_LIB_VALUE,    /* a value that is not finite, which only damaged weights or states lead to */
    SETUN_LIB_DAMAGED   /* the library itself is not as it was built */
};

/* A sequence of tokens and all that the model knows of it. */
struct setun_lib;

/* Zeroes, or NULL in its place, are the defaults. */
struct setun_lib_options {
    uint32_t threads;  /* 0: one a core, fewer for small models; never more than there are CPUs to be used */
    uint32_t context;  /* tokens that a sequence may have; 0: SETUN_LIB_CONTEXT */
    const char *level; /* instruction set to use, as `setun levels` calls it; NULL: the best that this machine has */
};

/* error (may be NULL): n bytes for a message.  *handle is NULL after an error. */
int setun_lib_open(const struct setun_lib_options *options, struct setun_lib **handle, char *error, size_t n);
void setun_lib_close(struct setun_lib *handle); /* also NULL */
/* The last error of this handle, "" after a call that went well; valid until the next call. */
const char *setun_lib_message(const struct setun_lib *handle);

/* ---- sizes ---- */

uint32_t setun_lib_context(const struct setun_lib *handle); /* tokens that a sequence may have */
uint32_t setun_lib_length(const struct setun_lib *handle);  /* tokens that it has */
uint32_t setun_lib_threads(const struct setun_lib *handle);
/* Bytes that open takes with these options, besides the tokenizer's tables and the stacks of threads.  0: more than a
 * machine can address. */
uint64_t setun_lib_memory(const struct setun_lib_options *options);
/* Bytes that setun_lib_save writes for a sequence of so many tokens; 0: they do not fit the context. */
uint64_t setun_lib_state_bytes(const struct setun_lib *handle, uint32_t tokens);

/* ---- text ---- */

enum setun_lib_encoding {
    SETUN_LIB_BEGIN = 1,  /* with the beginning token, if the tokenizer has texts begin with one */
    SETUN_LIB_END = 2,    /* with the end token, if the tokenizer has texts end with one */
    SETUN_LIB_SPECIAL = 4 /* names of special tokens in the text mean those tokens: never for a stranger's text */
};

/* n bytes of text as tokens, at most `room` of them; *count: how many there are. */
int setun_lib_encode(struct setun_lib *handle, const char *text, size_t n, unsigned how, uint32_t *tokens, size_t room,
                     size_t *count);
/* The bytes of one token that goes on with a text, not terminated; none of a special token.  A character of UTF-8 may
 * come in several tokens.  At most setun_lib_token_bytes(handle) of them. */
int setun_lib_decode(struct setun_lib *handle, uint32_t token, char *text, size_t room, size_t *count);
uint32_t setun_lib_token_bytes(const struct setun_lib *handle);
/* 1: a text, or an answer in a conversation, ends with this token; 0: it does not. */
int setun_lib_is_end(const struct setun_lib *handle, uint32_t token);

/* What somebody says in a conversation. */
struct setun_lib_turn {
    const char *role; /* "system", "user", "assistant", or what else the model's chat template knows */
    const char *text; /* n bytes; names of special tokens in it are text like any other */
    size_t n;
};

/* n turns as tokens, by the model's chat template; if answer is not 0, with the beginning of the next answer.  The
 * whole conversation each time: setun_lib_rewind goes back to what its tokens have in common with those of the last
 * time. */
int setun_lib_chat(struct setun_lib *handle, const struct setun_lib_turn *turns, size_t n, int answer, uint32_t *tokens,
                   size_t room, size_t *count);

/* ---- tokens ---- */

/* Goes on with n tokens.  After SETUN_LIB_VALUE, length says how many of them were computed. */
int setun_lib_prefill(struct setun_lib *handle, const uint32_t *tokens, size_t n);
/* Goes on with one. */
int setun_lib_step(struct setun_lib *handle, uint32_t token);
/* What the model gives for the last token: SETUN_LIB_OUTPUT floats, logits of the next token or, of an embedding model,
 * its vector; valid until the next call.  NULL: nothing was computed, or an error. */
const float *setun_lib_output(struct setun_lib *handle);

struct setun_lib_sampling {
    float temperature;    /* 0: the likeliest token; to 1000 */
    uint32_t top_k;       /* of the likeliest k only; 0: of all */
    float top_p;          /* of the likeliest that hold this share; above 0, 1: of all */
    float min_p;          /* not of those less likely than this times the likeliest; 0: of all */
    float repeat_penalty; /* weakens tokens seen lately; 0.01 to 100, 1: none */
    uint32_t repeat_last; /* how many of the last tokens those are */
    uint64_t seed;        /* of the draws, which also depend on the position: sampling twice gives the same */
};

/* The next token.  sampling NULL: the likeliest.  The sequence does not have it before setun_lib_step is called. */
int setun_lib_sample(struct setun_lib *handle, const struct setun_lib_sampling *sampling, uint32_t *token);

/* ---- state ---- */

/* Writes the sequence to `room` bytes: tokens, caches, what the model gave for the last token.  The same tokens give
 * the same bytes.  *count: how many bytes there are. */
int setun_lib_save(struct setun_lib *handle, void *to, size_t room, size_t *count);
/* Makes n bytes that setun_lib_save wrote the handle's sequence, also of another handle or process with other threads
 * or on another machine of this kind.  Refuses, whole, what is of another model or build, damaged, or longer than this
 * handle's context. */
int setun_lib_restore(struct setun_lib *handle, const void *from, size_t n);
/* Back to no tokens. */
int setun_lib_reset(struct setun_lib *handle);
/* Back to the first n of the sequence's tokens, as if they were all there ever were.  Computes at most 64 of them
 * again, so that what the model gave for the last one is there. */
int setun_lib_rewind(struct setun_lib *handle, uint32_t n);

#ifdef __cplusplus
}
#endif

#endif
