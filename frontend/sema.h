/*
 * sema.h -- syntax tree to typed model: every name found, every shape checked, functions inlined, `if` decided.
 *
 * Two uses.  With a config every number is known: a stack gives one body a layer, and the model can be
 * lowered.  Without one (`setun check`) numbers stay names, an `if` that cannot be decided is followed both
 * ways, and the result says only whether the model is right.  Dimensions are compared as formulas in both
 * (frontend/dim.h), so both find the same mistakes.
 *
 * Transparent.  A body is a list of nodes in the order of evaluation, each close to one op of the IR.
 */
#ifndef SETUN_FRONTEND_SEMA_H
#define SETUN_FRONTEND_SEMA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/str.h"
#include "frontend/dim.h"
#include "frontend/files/config.h"
#include "ir/ir.h"
#include "lang/ast.h"

enum { SEMA_MAX_LAYERS = 1024, SEMA_MAX_STEPS = 1000000 };

enum sema_truth { SEMA_NO, SEMA_YES, SEMA_MAYBE };

struct sema_stack;
struct scope; /* of the checker */

struct sema_weight {
    const char *name; /* "wq" */
    const char *full; /* "body.wq" */
    bool ternary;
    bool optional;
    enum sema_truth present; /* MAYBE: optional, and no checkpoint to look into */
    bool used;
    uint32_t rank;
    const struct dim *dim[IR_MAX_RANK];
    const struct ast_alt *sources; /* names in files; NULL: its own name */
    struct sema_stack *stack;      /* NULL: global */
    uint32_t id;
    struct loc loc;
    uint32_t assumed; /* depth of `if present(w)` around the statement being checked */
    bool told;        /* that it is used where it may be absent */
};

struct sema_state {
    const char *name, *full;
    enum ir_elem elem;        /* IR_CACHE_* */
    const struct dim *length; /* positions */
    uint32_t rank;
    const struct dim *dim[IR_MAX_RANK];
    struct sema_stack *stack;
    uint32_t id;
    struct loc loc;
    struct loc written, read; /* in the body being checked; line 0: not yet */
};

/* One op to be.  code is the op of the IR, but: matmul stands for matmul and dequant, layer for all layers of
 * a stack, ret for `yield`; a parameter has no code of its own. */
struct sema_node {
    enum ir_opcode code;
    bool is_param; /* then code says nothing */
    bool codes;    /* int8 codes; otherwise f32 */
    uint32_t rank;
    const struct dim *dim[IR_MAX_RANK];
    uint32_t n_in;
    struct sema_node *in[2];
    struct sema_weight *weight;
    struct sema_state *state, *state2; /* write: state; attend: k and v */
    struct sema_stack *stack;
    float c;    /* addc, mulc: the constant; rmsnorm: eps; attend: scale */
    float plus; /* rmsnorm: added to the gain; 0: nothing */
    double theta;
    double factor, low, high, original; /* rope: factor is 0 without scaling, the others where it is linear */
    int64_t turned;                     /* rope: elements of the axis; 0: all */
    const char *word;                   /* pairing, mask, name of an emitted value */
    int64_t window;
    int64_t keep, block; /* topk: elements kept, of all or of each block; block 0: of all */
    const char *name;    /* of the `let` that binds it, or NULL */
    struct loc loc;
    struct sema_node *next;
    bool live;            /* lower.c: something needs it */
    struct ir_val *value; /* lower.c */
    struct ir_val *scale; /* lower.c: of codes */
};

struct sema_body {
    struct sema_node *first, *last;
};

struct sema_stack {
    const struct ast_node *ast;
    const char *name;
    struct sema_node type;  /* shape of its parameter and its result */
    int64_t from, to;       /* layers from..to-1 */
    struct sema_body *body; /* to - from, or one if numbers are not known */
    struct loc called;      /* line 0: not yet */
    bool bad;               /* its errors are told */
    struct scope *scope;    /* its weights and states */
};

struct sema_entry {
    const struct ast_node *ast;
    const char *name;
    const struct dim *vocab;
    struct sema_body body;
};

struct sema_model {
    const char *name;
    struct dims *dims;
    VEC(struct sema_weight *) weights;
    VEC(struct sema_state *) states;
    VEC(struct sema_stack *) stacks;
    VEC(struct sema_entry *) entries;
    const char *tokenizer;       /* NULL: not named */
    const struct ast_node *chat; /* its section, fields checked; NULL: none */
    struct config_values config; /* with a config: every value, defaults included */
};

struct sema_input {
    struct diag *diag;
    struct arena *arena;
    struct names *names;
    const struct ast_model *ast;
    const struct config_values *config; /* NULL: numbers are not known */
    /* Looks for a weight, whose dimensions are known, and sets present if it is optional; false: reported.
     * Called for optional weights before any body is checked, for others afterwards if they are used. */
    bool (*find)(void *self, const struct sema_model *m, struct sema_weight *w);
    void *self;
};

/* NULL: reported. */
struct sema_model *sema_check(const struct sema_input *in);

/* The prefixes of a weight's stack; NULL: none. */
const struct ast_alt *sema_prefixes(const struct sema_weight *w);
/* Name of the tensor of layer i: a prefix (or NULL) and an alternative (or NULL) put together, {i} replaced. */
const char *sema_tensor_name(struct arena *a, const struct sema_weight *w, const struct ast_alt *prefix,
                             const struct ast_alt *alt, int64_t layer);
/* Does a file of this alternative hold the rows of each head in pairs: row i and row i + half of them side by side? */
bool sema_is_paired(const struct ast_alt *alt);

/* What a page says of the checkpoints it is for: its section `serves`. */
struct sema_serves {
    bool any; /* there is one */
    VEC(const char *) arch, act, ignore;
};
/* Reads the sections of a tree; what is wrong in them sema_check reports. */
struct sema_serves sema_serves(struct arena *a, const struct ast_model *ast);
/* Is word, or nothing, one of the names?  No names rule nothing out. */
bool sema_serves_one(const char *const *names, size_t n, const char *word);

/* Is a config value of this type a word, not a number? */
bool sema_is_word(const struct ast_type *t);
/* Is it one of f32, f16, int8, as caches are?  Otherwise: which of them may be meant; NULL: none. */
bool sema_is_cache(const char *word);
const char *sema_near_cache(const char *word);

/* The table of builtins as docs/language.md shows it. */
void sema_list_builtins(struct buf *out);

#endif
