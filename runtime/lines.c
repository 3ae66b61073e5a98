/* lines.c -- lines of standard input or of a file (lines.h). */
#include "runtime/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int setun_lines_open(struct setun_lines *l, const char *path, uint64_t cap) {
    bool standard = !path || strcmp(path, "-") == 0;
    *l = (struct setun_lines){.fd = STDIN_FILENO, .name = standard ? "standard input" : path, .cap = (size_t)cap};
    if (!standard) l->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (l->fd < 0) return setun_fail(EXIT_IO, "%s: cannot be opened: %s", path, strerror(errno));
    l->at = malloc(l->cap);
    return l->at ? EXIT_OK : setun_fail(EXIT_MEMORY, "out of memory");
}

void setun_lines_close(struct setun_lines *l) {
    if (l->fd > STDIN_FILENO) close(l->fd);
    free(l->at);
    *l = (struct setun_lines){.fd = -1};
}

void setun_lines_drop(struct setun_lines *l) { l->from = l->to = 0; }

static void give(struct setun_lines *l, size_t end, size_t skip, const uint8_t **line, size_t *n) {
    *line = l->at + l->from;
    *n = end - l->from;
    l->from = end + skip;
}

int setun_lines_next(struct setun_lines *l, const uint8_t **line, size_t *n) {
    size_t seen = l->from;
    for (*line = NULL;;) {
        const uint8_t *end = seen < l->to ? memchr(l->at + seen, '\n', l->to - seen) : NULL;
        if (end) return give(l, (size_t)(end - l->at), 1, line, n), EXIT_OK;
        if (l->over && l->from < l->to) return give(l, l->to, 0, line, n), EXIT_OK;
        if (l->over) return EXIT_OK;
        l->to -= l->from;
        memmove(l->at, l->at + l->from, l->to);
        l->from = 0;
        seen = l->to;
        if (l->to == l->cap) return setun_fail(EXIT_REJECTED, "%s: a line of more than %zu bytes", l->name, l->cap);
        if (setun_stopped()) return setun_stopped();
        ssize_t got = read(l->fd, l->at + l->to, l->cap - l->to);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return setun_fail(EXIT_IO, "%s: cannot be read: %s", l->name, strerror(errno));
        l->over = got == 0;
        l->to += (size_t)got;
    }
}
