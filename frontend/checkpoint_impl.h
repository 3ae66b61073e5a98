/* checkpoint_impl.h -- what the two halves of the checkpoint reader share; nobody else includes it. */
#ifndef SETUN_FRONTEND_CHECKPOINT_IMPL_H
#define SETUN_FRONTEND_CHECKPOINT_IMPL_H

#include <stdatomic.h>

#include "frontend/checkpoint.h"

struct checkpoint {
    struct diag *diag;
    struct arena *arena;
    const char *folder;
    struct config_values config;
    VEC(struct tensor_file *) files;
    VEC(struct tensor *) tensors; /* of all files, by name */
    atomic_ullong unreturned;     /* bytes read since pages were given back */
};

#endif
