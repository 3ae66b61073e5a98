/*
 * mutate.h -- hostile files by structure: every field of a good file is changed in every way that a field of its kind
 * can be wrong, and the reader must either refuse, naming place and reason, or have read what is there.
 *
 * A format gives a good file and its fields, by the table that its reader is made with; the engine (mutate.c) makes the
 * mutants, counts them by field, and fails for a field that has none.
 */
#ifndef SETUN_TEST_MUTATE_H
#define SETUN_TEST_MUTATE_H

#include "base/arena.h"
#include "base/diag.h"
#include "base/str.h"

/* A field of the good file. */
struct site {
    unsigned field;
    size_t at, bytes;
    bool binary; /* a little-endian number; otherwise text or bytes */
};

struct sample {
    struct arena *arena;
    struct buf file;
    size_t header; /* its bytes: truncations are tried at each */
    VEC(struct site) sites;
};

struct format {
    const char *name;
    unsigned n_fields;
    const char *(*field)(unsigned field);
    bool (*may_hold_all)(unsigned field); /* no value of the field is wrong by itself */
    /* The good file. */
    void (*make)(struct sample *s);
    /* Values to put in place of a field that is no binary number; NULL ends them. */
    const char *const *(*texts)(unsigned field);
    /* After a change of text at a site, now of so many bytes: lengths that must follow. */
    void (*settle)(struct buf *file, const struct site *changed, size_t bytes);
    /* Reads the file.  Accepted: encodes what was read and compares; *wrong says what differs. */
    bool (*read)(struct diag *d, struct arena *a, const char *path, const uint8_t *p, size_t n, const char **wrong);
    bool many; /* errors in independent places are all told */
    /* Does a refusal with exit code 4 count too?  By its slug. */
    const char *const *unsupported;
};

extern const struct format mutate_gguf, mutate_safetensors, mutate_config;

#endif
