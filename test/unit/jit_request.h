/* jit_request.h -- what a test asks an emulated program to call (jit.c, jit_server.c). */
#ifndef SETUN_TEST_JIT_REQUEST_H
#define SETUN_TEST_JIT_REQUEST_H

#include <stdint.h>

struct jit_request {
    uint64_t function; /* its address */
    uint64_t arg[14];
};

#endif
