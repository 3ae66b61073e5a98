/*
 * json.h -- JSON files of strangers: a checked layer over jansson.
 *
 * A document is looked over before it is parsed (depth, number of values), so that memory stays bounded; keys
 * that occur twice are an error.  The typed readers report "FILE: key 'a.b'" and return false.
 */
#ifndef SETUN_FRONTEND_JSON_H
#define SETUN_FRONTEND_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/diag.h"

struct jfile {
    struct diag *diag;
    struct arena *arena; /* of places in messages */
    const char *path;
    json_t *root; /* released by jfile_close; borrowed references must not outlive it */
};

struct jlimits {
    size_t bytes;
    uint32_t depth;
    size_t values;
};

/* The root must be an object.  On false nothing needs closing. */
bool jfile_open(struct jfile *j, struct diag *d, struct arena *a, const char *path, struct jlimits limits);
bool jfile_parse(struct jfile *j, struct diag *d, struct arena *a, const char *path, const char *text, size_t n,
                 struct jlimits limits);
void jfile_close(struct jfile *j);

const char *json_kind(const json_t *v); /* "an integer", "a string", "nothing" */
/* "FILE: key 'a.b'"; b may be NULL. */
const char *jfile_where(const struct jfile *j, const char *a, const char *b);

enum jgot { JGOT_ABSENT, JGOT_VALUE, JGOT_BAD /* reported */ };

/* Members of an object, by type.  null counts as absent.  path: the object's own key, for messages, or NULL. */
enum jgot jfile_int(const struct jfile *j, const json_t *object, const char *path, const char *key, int64_t least,
                    int64_t most, int64_t *out);
enum jgot jfile_real(const struct jfile *j, const json_t *object, const char *path, const char *key, double *out);
enum jgot jfile_bool(const struct jfile *j, const json_t *object, const char *path, const char *key, bool *out);
enum jgot jfile_text(const struct jfile *j, const json_t *object, const char *path, const char *key, const char **out);
enum jgot jfile_object(const struct jfile *j, const json_t *object, const char *path, const char *key,
                       const json_t **out);
enum jgot jfile_list(const struct jfile *j, const json_t *object, const char *path, const char *key,
                     const json_t **out);
/* Token ids, 0 .. 2^31 - 1: one integer or a list of at most `most`. */
enum jgot jfile_ids(const struct jfile *j, const json_t *object, const char *key, size_t most, int64_t *out, size_t *n);

#endif
