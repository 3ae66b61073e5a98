/*
 * engine.h -- whoever computes steps.
 *
 * The commands see rows going in, and what the model emits coming out: logits, or an embedding.  The executable's
 * engine runs the generated code on a team of threads; the compiler's `run --interp` brings an engine of its own, and
 * everything else is shared.
 */
#ifndef SETUN_RUNTIME_ENGINE_H
#define SETUN_RUNTIME_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/abi.h"
#include "runtime/pack.h"
#include "runtime/rt.h"

enum { SETUN_BLOCK = 64 };

/* Whose caches they are: equal in all three means that the bits are. */
struct setun_origin_ids {
    uint64_t pack;    /* setun_pack.id: model text, IR, tensors */
    uint64_t weights; /* setun_pack.data_hash */
    uint64_t code;    /* compiler, contract */
};
struct setun_origin {
    const char *name; /* of the model */
    struct setun_origin_ids ids;
};

struct setun_engine {
    /* Computes n rows (1 <= n <= max_rows); returns an exit code. */
    int (*step)(struct setun_engine *e, const struct setun_row *rows, uint32_t n);
    uint32_t vocab;
    uint32_t context; /* positions that a sequence may take */
    uint32_t max_rows;
    uint32_t n_live;  /* of the last step */
    const float *out; /* after a step: row i of the live ones at out + i * stride */
    uint64_t stride;  /* in floats */
    uint32_t out_elems;
    const char *out_name; /* "logits" or "embedding" */
    uint8_t *state;       /* of slot 0, in blocks of SETUN_BLOCK positions; NULL: it cannot be had */
    uint64_t block_bytes;
    struct setun_origin origin;
    /* A head that can be screened (docs/cores.md): screen asks the next steps for intervals, where one row is live. */
    bool can_screen, screen;
    bool screened; /* the last step left intervals in `intervals` and nothing in `out` */
    struct setun_screen intervals;
    /* After such a step, exit codes: the logits of n tokens; all logits, in `out` as if the step had not been screened.
     */
    int (*some)(struct setun_engine *e, const uint32_t *ids, uint32_t n, float *logits);
    int (*all)(struct setun_engine *e);
};

/* ---- the engine of the generated code ---- */

/* Called by thread 0 behind each kernel of a step, and before the first with SETUN_STEP_BEGINS. */
#define SETUN_STEP_BEGINS UINT32_MAX
typedef void setun_watch_fn(void *arg, uint32_t kernel, uint32_t layer);

/* Anonymous memory that holds a data section (place.h). */
struct setun_weights_copy {
    uint8_t *at; /* NULL: none */
    uint64_t bytes;
};

struct setun_native {
    struct setun_engine e; /* must be first */
    const struct setun_model *model;
    struct setun_team *team;
    const struct setun_level *level;
    uint32_t *live;
    const struct setun_host *host;
    struct setun_trace *trace;                 /* NULL: none; trace.h */
    int (*after_step)(struct setun_native *n); /* of the trace; returns an exit code */
    setun_watch_fn *watch;                     /* NULL: nobody */
    void *watch_arg;
    void *memory;
    uint64_t bytes;
    struct setun_weights_copy copy; /* of the weights, if that was asked for (place.h) */
};

struct setun_native_config {
    const struct setun_model *model;
    const struct setun_level *level;
    const uint8_t *weights;
    uint64_t weights_hash; /* what the pack says of them */
    uint32_t threads;
    uint32_t context;              /* positions asked for */
    const struct setun_host *host; /* of a library (rt.h); it must outlive the engine.  NULL: none */
};

/* Memory that such an engine takes.  false: more than a machine can address. */
bool setun_native_bytes(const struct setun_model *m, uint32_t threads, uint32_t context, uint64_t *bytes);
/* Refuses, with numbers, to take more memory than there is.  Returns an exit code. */
int setun_native_open(struct setun_native *n, const struct setun_native_config *c);
void setun_native_close(struct setun_native *n); /* also after a failed open, and on zeroes */

/* fn NULL: nobody watches. */
void setun_native_watch(struct setun_native *n, setun_watch_fn *fn, void *arg);

/* Bytes that `n` new ones may be compared with: free or reclaimable in the machine and the control group. */
uint64_t setun_memory_available(void);

#endif
