/* packfile.h -- the pack behind an executable (runtime/abi.h): its sections in memory, its data as a stream. */
#ifndef SETUN_TOOLS_PACKFILE_H
#define SETUN_TOOLS_PACKFILE_H

#include "backends/backend.h"

/* The data section of a pack that was written and whose output is still open, for another pack with the same. */
struct pack_made {
    struct out *out; /* NULL: none */
    uint64_t at;     /* in it */
    uint64_t id, bytes, hash;
};

struct pack_source {
    struct {
        const void *at;
        uint64_t n;
    } section[SETUN_N_SECTIONS];
    const struct ir_module *module;
    const struct data_plan *plan;
    const struct ir_weights *weights;
    struct pack_made *made; /* copied from if it fits, and set; NULL: the output will not stay open */
};

/* The tensor section: the plan's table with names behind it. */
void pack_tensors(struct arena *a, const struct ir_module *m, const struct data_plan *plan, struct buf *out);
/* What ties code and pack together: a hash over the sections that describe them. */
uint64_t pack_id(const struct pack_source *p);
/* Writes pack and data to o, from a multiple of SETUN_PACK_ALIGN on; *bytes of them.  progress may be NULL. */
bool pack_write(struct diag *d, struct out *o, const struct pack_source *p, uint64_t id, uint64_t *bytes,
                void (*progress)(void *self, uint64_t done, uint64_t all), void *self);
/* Appends pad, pack, data and footer to an executable already in o.  progress may be NULL. */
bool pack_append(struct diag *d, struct out *o, const struct pack_source *p, uint64_t id,
                 void (*progress)(void *self, uint64_t done, uint64_t all), void *self);

#endif
