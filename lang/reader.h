/*
 * reader.h -- what lexer, grammar and driver of lang/ share.  Private to this folder.
 *
 * lexer.l turns bytes into tokens.  read.c stands between lexer and grammar: it limits nesting, and while the
 * parser recovers from an error it swallows whole blocks, so that a bad header does not spill its body.
 * grammar.y builds the tree with the helpers of build.c.
 */
#ifndef SETUN_LANG_READER_H
#define SETUN_LANG_READER_H

#include "lang/ast.h"
#include "lang/lang.h"

struct reader {
    struct diag *diag;
    struct arena *arena;
    struct names *names;
    const char *text;
    size_t n;
    uint32_t file;
    void *scanner;

    uint32_t line, col;       /* of the next byte, counted from 1 */
    size_t at;                /* offset of the next byte */
    size_t token_at, token_n; /* bytes of the token just read */
    bool keep_comments;       /* the formatter wants them as tokens */

    struct loc last; /* of the token before the one just read */
    struct loc prev; /* of the token just read */
    uint32_t depth;  /* brackets of any kind that are open */
    bool recovering; /* an error was told; cleared by the next ';' or '}' */
    bool skip_block; /* the token at fault was '{' */
    bool too_deep;   /* told once; the rest of the text is not read */
    bool failed;
    struct ast_model *model;
};

/* Lists under construction: tail insertion. */
struct list {
    void *first, *last;
    uint32_t n;
};

/* ---- build.c ---- */
struct ast_expr *build_expr(struct reader *r, enum ast_expr_kind k, struct loc loc);
struct ast_expr *build_binary(struct reader *r, enum ast_op op, struct ast_expr *a, struct ast_expr *b);
struct ast_expr *build_unary(struct reader *r, enum ast_op op, struct ast_expr *a, struct loc loc);
/* Call, index, list: the arguments are args; a is the base of an index. */
struct ast_expr *build_args(struct reader *r, enum ast_expr_kind k, struct ast_expr *a, struct list args,
                            struct loc loc);
struct ast_expr *build_over(struct reader *r, enum ast_expr_kind k, struct ast_expr *a, struct ast_expr *b,
                            struct loc loc);
struct ast_node *build_node(struct reader *r, enum ast_kind k, struct loc loc);
struct ast_name *build_name(struct reader *r, const char *text, struct loc loc);

/* Appends; the item's `next` is at the same place in no two structs, hence the macro. */
#define LIST_ADD(list, type, item)                                                                                     \
    do {                                                                                                               \
        type *item_ = (item);                                                                                          \
        if (!item_) break;                                                                                             \
        if ((list).last)                                                                                               \
            ((type *)(list).last)->next = item_;                                                                       \
        else                                                                                                           \
            (list).first = item_;                                                                                      \
        (list).last = item_;                                                                                           \
        (list).n++;                                                                                                    \
    } while (0)

/* ---- read.c ---- */
/* From the first byte of a to the last of b. */
struct loc read_span(struct loc a, struct loc b);
/* Valid UTF-8 without control characters, not too long?  Reports the first bad byte. */
bool read_check_text(struct diag *d, uint32_t file, const char *text, size_t n);
/* Starts and ends the scanner of r->text. */
bool read_start(struct reader *r);
void read_stop(struct reader *r);

#endif
