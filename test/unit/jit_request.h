/* jit_request.h -- what a test asks an emulated program to call. */
#ifndef SETUN_TEST_JIT_REQUEST_H
#define SETUN_TEST_JIT_REQUEST_H

#include <stdint.h>

struct jit_request {
    uint64_t
        function; /* its place in the table, from 1 on; JIT_GUARD: memory from arg[0], arg[1] bytes, closed or opened */
    uint64_t arg[14];
};
enum { JIT_GUARD = 0 };

#endif
