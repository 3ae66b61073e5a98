/* impl.h -- what a handle of the library holds (lib.h).  Transparent; shared by the files of this folder only. */
#ifndef SETUN_RUNTIME_LIB_IMPL_H
#define SETUN_RUNTIME_LIB_IMPL_H

#include "runtime/engine.h"
#include "runtime/lib/lib.h"
#include "runtime/sampler.h"
#include "runtime/tok/tok.h"

struct setun_lib {
    struct setun_native n;
    struct setun_host host; /* its message: of open's caller, then `message` */
    struct setun_mapped_pack pack;
    struct setun_tokenizer tok;    /* tok.tok is NULL if the model has none */
    const struct setun_chat *chat; /* NULL: no template */
    struct setun_sampler sampler;
    struct setun_row *rows; /* [max_rows] */
    uint32_t *ids;          /* [context] the sequence */
    uint32_t held;          /* its length */
    uint32_t dirty;         /* positions of the caches that are not zero: more than held after a step that failed */
    uint32_t threads;
    int process;   /* that opened it, and has its threads */
    uint32_t most; /* candidates of a screened head that there is room for */
    bool logits;   /* what the model emits can be sampled from */
    bool ready;    /* what the engine emitted is of the last token */
    bool used;     /* its intervals were sampled from, which changes them */
    char message[256];
};

/* Where the pack lies: two symbols of the object that holds it, beyond the reach of the code's own addressing. */
struct setun_lib_place {
    const uint8_t *begin, *end;
};
extern const struct setun_lib_place setun_lib_place;

/* The end of a call whose error was told in words already: from an exit code. */
int setun_lib_code(int code);
/* Says what is wrong, and returns error. */
#define setun_lib_fail(h, error, ...) (setun_error_to(&(h)->host, __VA_ARGS__), (error))

/* Of a call that needs memory and failed without saying why: `error`, or that there was none. */
int setun_lib_memory_or(int error);
/* Refuses where the handle's threads are those of a parent process. */
int setun_lib_here(struct setun_lib *h);

/* Ids to the caller's memory. */
int setun_lib_ids(struct setun_lib *h, const struct setun_ids *ids, uint32_t *tokens, size_t room, size_t *count);
/* The first n tokens of the sequence, a multiple of SETUN_BLOCK, are all there is. */
void setun_lib_cut(struct setun_lib *h, uint32_t n);

/* All outputs of the last step, where it left intervals. */
int setun_lib_whole(struct setun_lib *h);

/* What a call does between setting the mode of floating point and restoring it: not to be inlined there, because
 * compilers move arithmetic across such instructions. */
#define SETUN_LIB_INSIDE __attribute__((noinline)) static
/* The beginning of a call: no message, our mode.  Returns the host's. */
uint64_t setun_lib_enter(struct setun_lib *h);

#endif
