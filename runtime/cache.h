/*
 * cache.h -- the file of `--prompt-cache`: a sequence's tokens and what the model's caches hold of them.
 *
 *   struct setun_cache_head | u32 ids[positions] | zero bytes up to a multiple of 64 | blocks of 64 positions
 *
 * The blocks are those of struct setun_step's state, as many as the positions need; in the last one, what belongs to
 * later positions is zero.  So the bytes follow from model, code and tokens.  docs/executable.md describes it.
 */
#ifndef SETUN_RUNTIME_CACHE_H
#define SETUN_RUNTIME_CACHE_H

#include "runtime/session.h"

#define SETUN_CACHE_MAGIC   0x4843414355544553ull /* "SETUCACH" */
#define SETUN_CACHE_VERSION 1u

struct setun_cache_head {
    uint64_t magic;
    uint32_t version, positions;
    uint64_t bytes;                 /* of the file */
    struct setun_origin_ids origin; /* whose caches they are */
    uint64_t block_bytes;
    char model[64]; /* its name, for messages; zeroes behind it */
    uint64_t hash;  /* setun_hash of all other bytes, in order */
};
_Static_assert(sizeof(struct setun_cache_head) == 128, "prompt cache");

/* What the file holds becomes the session's sequence; no file, or an empty one: nothing happens.  A file that is not
 * whole, or of another model, is an error.  Returns an exit code. */
int setun_cache_load(struct setun_session *s, const char *path);
/* Writes what the caches hold to an opened file, and leaves it open.  Returns an exit code. */
int setun_cache_save(struct setun_session *s, struct setun_out *out);

#endif
