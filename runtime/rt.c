/* rt.c -- messages and signals (rt.h). */
#include "runtime/rt.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/temp.h"

/* Words of strangers (a template's, a file name's) must not steer a terminal: control characters as \xNN. */
static size_t escape(const char *from, size_t n, char *to, size_t room) {
    size_t used = 0;
    for (size_t i = 0; i < n && used + 4 < room; i++) {
        unsigned char c = (unsigned char)from[i];
        if (c >= 0x20 && c != 0x7f)
            to[used++] = from[i];
        else
            used += (size_t)snprintf(to + used, 5, "\\x%02x", c);
    }
    return used;
}

/* One write, so that lines of several threads or programs do not mix. */
static void put_line(const char *head, bool escaped, const char *fmt, va_list args) {
    char text[2048], line[sizeof text + 16];
    size_t n = (size_t)snprintf(line, sizeof line, "%s", head);
    int length = vsnprintf(text, sizeof text, fmt, args);
    size_t more = length < 0 ? 0 : (size_t)length < sizeof text ? (size_t)length : sizeof text - 1;
    if (escaped) {
        n += escape(text, more, line + n, sizeof line - n - 1);
    } else {
        memcpy(line + n, text, more);
        n += more;
    }
    line[n++] = '\n';
    for (size_t done = 0; done < n;) {
        ssize_t w = write(STDERR_FILENO, line + done, n - done);
        if (w <= 0) return; /* nobody left to tell */
        done += (size_t)w;
    }
}

void setun_error(const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    put_line("error: ", true, fmt, args);
    va_end(args);
}

void setun_error_to(const struct setun_host *host, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    if (!host) put_line("error: ", true, fmt, args);
    if (host && host->n) vsnprintf(host->message, host->n, fmt, args);
    va_end(args);
}

void setun_say(const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    put_line("", false, fmt, args);
    va_end(args);
}

/* ---- signals: the only state outside a struct, because a handler is given none ---- */

static volatile sig_atomic_t stop_signal;
static const char *volatile temporaries[SETUN_TEMPORARIES];

static void on_signal(int sig) {
    if (stop_signal != 0) {
        for (int i = 0; i < SETUN_TEMPORARIES; i++) {
            if (temporaries[i]) unlink(temporaries[i]);
        }
        _exit(128 + sig);
    }
    stop_signal = sig;
}

void setun_signals(void) {
    struct sigaction stop = {.sa_handler = on_signal}; /* no SA_RESTART: a read of the prompt is left too */
    sigemptyset(&stop.sa_mask);
    sigaddset(&stop.sa_mask, SIGINT);
    sigaddset(&stop.sa_mask, SIGTERM);
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigemptyset(&ignore.sa_mask);
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGXFSZ, &ignore, NULL);
}

void setun_standard_files(void) {
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) < 0) (void)open("/", O_PATH); /* takes the lowest free number */
    }
}

int setun_stopped(void) { return stop_signal == 0 ? 0 : 128 + stop_signal; }

void setun_stopped_clear(void) {
    if (stop_signal == SIGINT) stop_signal = 0;
}

int setun_temp_add(const char *path) {
    for (int i = 0; i < SETUN_TEMPORARIES; i++) {
        if (temporaries[i]) continue;
        temporaries[i] = path;
        return i;
    }
    return -1;
}

void setun_temp_drop(int slot) {
    if (slot >= 0 && slot < SETUN_TEMPORARIES) temporaries[slot] = NULL;
}
