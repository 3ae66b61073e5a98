/*
 * jit_server.c -- a program for an emulated CPU: maps the file that it shares with a test where the test has it, and
 * calls what the test asks for (jit.c).  Linked with the code under test.
 *
 *   jit_server FILE ADDRESS BYTES      requests on standard input, results on standard output
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test/unit/jit_request.h"

typedef uint64_t function(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                          uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);

/* Called like the code under test: memory is shared, but its protection is each program's own, as are constants. */
uint64_t jit_protect(uint64_t p, uint64_t n, uint64_t protection);
uint64_t jit_protect(uint64_t p, uint64_t n, uint64_t protection) {
    return (uint64_t)mprotect((void *)p, n, (int)protection);
}

uint64_t jit_copy(uint64_t to, uint64_t from, uint64_t n);
uint64_t jit_copy(uint64_t to, uint64_t from, uint64_t n) {
    memcpy((void *)to, (const void *)from, n);
    return 0;
}

static uint64_t call(const struct jit_request *r) {
    const uint64_t *a = r->arg;
    function *f = (function *)r->function;
    return f(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], a[10], a[11], a[12], a[13]);
}

int main(int argc, char **argv) {
    struct jit_request r;
    if (argc != 4) return 2;
    void *at = (void *)strtoull(argv[2], NULL, 0);
    size_t n = strtoull(argv[3], NULL, 0);
    int fd = open(argv[1], O_RDWR);
    if (mmap(at, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0) != at) return 3;
    while (read(0, &r, sizeof r) == (ssize_t)sizeof r) {
        uint64_t result = call(&r);
        if (write(1, &result, sizeof result) != (ssize_t)sizeof result) return 4;
    }
    return 0;
}
