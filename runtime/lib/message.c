/* message.c -- messages of a library (rt.h): into the host's memory, and nowhere else. */
#include <stdarg.h>
#include <stdio.h>

#include "runtime/rt.h"

void setun_error_to(const struct setun_host *host, const char *fmt, ...) {
    if (!host || host->n == 0) return;
    va_list args;
    va_start(args, fmt);
    vsnprintf(host->message, host->n, fmt, args);
    va_end(args);
}
