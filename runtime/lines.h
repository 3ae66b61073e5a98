/*
 * lines.h -- lines of standard input or of a file, as they come.
 *
 * One buffer, taken by open: a longer line is an error.  Bytes are passed on as they are; a line ends at a newline or
 * at the end of the file.  Transparent.
 */
#ifndef SETUN_RUNTIME_LINES_H
#define SETUN_RUNTIME_LINES_H

#include "runtime/rt.h"

struct setun_lines {
    int fd;
    const char *name;
    uint8_t *at;
    size_t cap;      /* bytes of the longest line, its newline among them */
    size_t from, to; /* what was read and not yet given out */
    bool over;       /* the end of the file was seen */
};

/* path: NULL or "-" is standard input.  Returns an exit code; close in any case. */
int setun_lines_open(struct setun_lines *l, const char *path, uint64_t cap);
void setun_lines_close(struct setun_lines *l);
/* *line: NULL at the end of the file; else *n bytes, without the newline, until the next call.  Returns an exit code:
 * that of a signal if one came while it waited. */
int setun_lines_next(struct setun_lines *l, const uint8_t **line, size_t *n);
/* Forgets what was read of a line that has not ended. */
void setun_lines_drop(struct setun_lines *l);

#endif
