/*
 * printer.h -- token bytes on their way to the reader: stop texts, then UTF-8, then standard output.
 *
 * One printer serves any number of texts, each between begin and end.  Transparent; all memory is taken by open.
 */
#ifndef SETUN_RUNTIME_PRINTER_H
#define SETUN_RUNTIME_PRINTER_H

#include "runtime/flags.h"
#include "runtime/rt.h"
#include "runtime/text.h"
#include "runtime/tok/tok.h"

/* Where a text is kept besides: at most cap bytes of it. */
struct setun_copy {
    uint8_t *at;
    size_t n, cap;
};

struct setun_printer {
    const struct setun_tokenizer *t; /* NULL: ids */
    bool special;                    /* special tokens are printed too */
    struct setun_out out;
    struct setun_stops stops; /* stops.hit: a stop text was complete, the text is over */
    struct setun_utf8 utf8;
    struct setun_copy *copy;      /* NULL: none */
    uint8_t *raw, *clean;         /* one token; one push made UTF-8 */
    struct setun_decoder decoder; /* decoder.first: set it where the next token is the first of a text */
    uint32_t ids;                 /* printed so far */
};

/* t: NULL for ids.  Returns an exit code. */
int setun_printer_open(struct setun_printer *p, const struct setun_tokenizer *t, const struct setun_opts *o);
/* A token of a prompt: stop texts do not count. */
void setun_printer_prompt(struct setun_printer *p, uint32_t id);
/* A token of the text, and all that can be read by now is written. */
void setun_printer_token(struct setun_printer *p, uint32_t id);
/* What was withheld is text after all; the next token begins another one.  Nothing is withheld after a stop text. */
void setun_printer_end(struct setun_printer *p);
/* Closes standard output; returns an exit code. */
int setun_printer_close(struct setun_printer *p);

#endif
