/*
 * safetensors.h -- one safetensors file, mapped, with its header checked whole.
 *
 *     u64 N | N bytes of JSON | data
 *
 * Rules are numbered as in docs/checkpoints.md and enforced before any tensor is handed out.
 */
#ifndef SETUN_FRONTEND_SAFETENSORS_H
#define SETUN_FRONTEND_SAFETENSORS_H

#include "base/diag.h"
#include "frontend/files/tensor.h"

/* The parts of a header (safetensors_fields.def). */
enum st_field {
#define FIELD(id, ...) ST_FIELD_##id,
#include "frontend/files/safetensors_fields.def"
    ST_N_FIELDS
};
extern const char *const st_fields[ST_N_FIELDS];

/* Tables and names lie in the arena.  On false nothing needs closing. */
bool st_open(struct diag *d, struct arena *a, const char *path, struct tensor_file *f);
void st_close(struct tensor_file *f);

#endif
