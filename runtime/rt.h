/*
 * rt.h -- what every file of the executable's main part needs: messages, checked arithmetic, the clock,
 * signals and output files.
 *
 * A function that can fail returns EXIT_OK or, after one line on standard error, the code to end with.
 */
#ifndef SETUN_RUNTIME_RT_H
#define SETUN_RUNTIME_RT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include "runtime/exit.h"

#define SETUN_PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))

/* "error: ..." on standard error. */
void setun_error(const char *fmt, ...) SETUN_PRINTF_LIKE(1, 2);
/* The same, as an expression that has the value of code. */
#define setun_fail(code, ...) (setun_error(__VA_ARGS__), (code))
/*
 * The program around us, where the runtime is a library: its thread stays as it is, and messages go to its memory,
 * n bytes with the zero behind them.  NULL: we are the program, and messages go to standard error.
 */
struct setun_host {
    char *message;
    size_t n;
};
void setun_error_to(const struct setun_host *host, const char *fmt, ...) SETUN_PRINTF_LIKE(2, 3);
#define setun_fail_to(host, code, ...) (setun_error_to(host, __VA_ARGS__), (code))
/* A line on standard error: warnings, reasons, speed. */
void setun_say(const char *fmt, ...) SETUN_PRINTF_LIKE(1, 2);

static inline bool setun_add(uint64_t *out, uint64_t a, uint64_t b) { return !__builtin_add_overflow(a, b, out); }
static inline bool setun_mul(uint64_t *out, uint64_t a, uint64_t b) { return !__builtin_mul_overflow(a, b, out); }

double setun_now(void); /* seconds, monotonic */
/* What advice to the kernel must begin at a multiple of: 4 KiB, or up to 64 KiB on aarch64. */
static inline uint64_t setun_page_bytes(void) { return (uint64_t)sysconf(_SC_PAGESIZE); }

/* ---- signals ---- */

/* SIGINT and SIGTERM ask for an end after the current step; a second one ends at once.  SIGPIPE and SIGXFSZ
 * become errors of write. */
void setun_signals(void);
/* If 0, 1 or 2 is closed, the next file opened would get that number, and messages would be written into it: puts
 * there what can be neither read nor written.  Call before anything is opened. */
void setun_standard_files(void);
/* 0, or the exit code that a signal asked for. */
int setun_stopped(void);
/* Forgets a SIGINT: it asked for the end of an answer only.  SIGTERM stays. */
void setun_stopped_clear(void);

/* ---- output ---- */

/* Standard output, or a file that appears whole at commit and not at all otherwise. */
struct setun_out {
    int fd;
    const char *path; /* NULL: standard output */
    bool direct;      /* written in place: standard output, a device, a pipe */
    int slot;         /* of the table of temporaries that a signal removes */
    char *tmp;
    uint8_t *buf;
    size_t n;
    int failed; /* 0, or the exit code of the first failure, already reported */
};

int setun_out_stdout(struct setun_out *o);
int setun_out_open(struct setun_out *o, const char *path);
/* Buffered.  Both return o->failed; a reader that went away (EPIPE) fails without a message. */
int setun_out_write(struct setun_out *o, const void *p, size_t n);
int setun_out_flush(struct setun_out *o);
int setun_out_printf(struct setun_out *o, const char *fmt, ...) SETUN_PRINTF_LIKE(2, 3); /* at most 1023 bytes */
/* Flushes and, if all went well and keep is set, gives the file its name.  Frees.  Safe on an unopened one. */
int setun_out_close(struct setun_out *o, bool keep);

#endif
