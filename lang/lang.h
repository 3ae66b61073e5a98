/*
 * lang.h -- model text to syntax tree, and model text to the same text well formatted.
 */
#ifndef SETUN_LANG_LANG_H
#define SETUN_LANG_LANG_H

#include <stddef.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/str.h"
#include "lang/ast.h"

enum {
    LANG_MAX_TEXT = 1 << 20, /* bytes of a model file */
    LANG_MAX_DEPTH = 200,    /* nesting of expressions and blocks */
};

/* file: what diag_add_text gave for the text.  NULL: reported.  Finds several errors in one run. */
struct ast_model *lang_parse(struct diag *d, struct arena *a, struct names *names, uint32_t file, const char *text,
                             size_t n);

/*
 * Writes the text in the one agreed form: one statement a line, four spaces a level, columns aligned in runs
 * of declarations and of equations, comments and single blank lines kept, line breaks inside a statement
 * kept.  Formatting twice gives the same text.  false: not a model file, reported; out is untouched.
 */
bool lang_format(struct diag *d, uint32_t file, const char *text, size_t n, struct buf *out);

#endif
