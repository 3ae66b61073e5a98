/*
 * diag.h -- what the user is told.
 *
 * Every message is a row of diag.def: a stable slug, a severity, an exit code and a format.  A place is a
 * location in a text (file, line, column range) or in a binary file (file and byte).  Errors are counted;
 * the exit code of a run is that of its first error.
 *
 *   mlp.stn:7:20: error: inner dimensions differ: 'x' has 2560, 'up' has 2048 [shape-mismatch]
 *       y = up @ x;
 *           ^~~~~~
 *   mlp.stn:3:1: note: 'up' is declared here as ternary[6912, 2048]
 *
 * Opaque: the engine.
 */
#ifndef SETUN_BASE_DIAG_H
#define SETUN_BASE_DIAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/exit.h"

enum diag_id {
#define DIAG(slug, id, severity, code, fmt) DIAG_##id,
#include "base/diag.def"
#undef DIAG
    DIAG_COUNT
};

/* A place in a text.  file == 0: nowhere.  Lines and columns count from 1, columns in bytes; the end is
 * the last byte of the range, on last_line. */
struct loc {
    uint32_t file;
    uint32_t line, col;
    uint32_t last_line, last_col;
};

struct diag;

struct diag *diag_new(struct arena *a, FILE *out);
/* Registers a text so that its lines can be shown; the text must outlive the engine.  Returns loc.file. */
uint32_t diag_add_text(struct diag *d, const char *file_name, const char *text, size_t n);

/* Reports.  Returns false, so that `return diag_at(...)` reads well. */
bool diag_at(struct diag *d, struct loc where, enum diag_id id, ...);
/* A place that is not a text: "model.safetensors: tensor 'x', byte 0x40" or NULL. */
bool diag_in(struct diag *d, const char *where, enum diag_id id, ...);
/* Attached to the message before it; kept quiet if that was. */
void diag_note(struct diag *d, struct loc where, const char *fmt, ...) PRINTF_LIKE(3, 4);
void diag_note_in(struct diag *d, const char *where, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Warnings that follow were shown before: the same inputs are read again. */
void diag_mute_warnings(struct diag *d, bool mute);

/* The last line of a run: how many errors were not shown (only the first 20 are). */
void diag_finish(struct diag *d);
size_t diag_errors(const struct diag *d);
enum setun_exit diag_exit_code(const struct diag *d); /* EXIT_OK without errors */
/* Prints the table of slugs (docs/messages.md is made from it). */
void diag_list(FILE *out);

#endif
