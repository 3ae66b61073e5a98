/* patterns.c -- see patterns.h. */
#include "frontend/tokenizer/patterns.h"

#include <string.h>

#include "base/compiler.h"

#define CUTS(id, ...) static const char *const cuts_##id[] = {__VA_ARGS__, NULL};
#include "frontend/tokenizer/patterns.def"

static const struct tok_pre pres[] = {
#define PRE(name, id, flags) {name, cuts_##id, flags},
#include "frontend/tokenizer/patterns.def"
};

static const struct {
    uint32_t count;
    const char *const *pattern;
} ranks[] = {
#define RANKS(count, id) {count, cuts_##id},
#include "frontend/tokenizer/patterns.def"
};

static const struct {
    uint32_t count, id;
    const char *text;
    bool ends;
} specials[] = {
#define SPECIAL(count, id, text, ends) {count, id, text, ends},
#include "frontend/tokenizer/patterns.def"
};

const struct tok_pre *tok_pre_find(const char *name, size_t n) {
    for (size_t i = 0; i < COUNT_OF(pres); i++)
        if (strlen(pres[i].name) == n && memcmp(pres[i].name, name, n) == 0) return &pres[i];
    return NULL;
}

const char *const *tok_ranks_pattern(uint32_t count) {
    for (size_t i = 0; i < COUNT_OF(ranks); i++)
        if (ranks[i].count == count) return ranks[i].pattern;
    return NULL;
}

bool tok_add_cuts(struct tok_build *b, const char *where, const char *const *pattern, enum tok_regex_dialect dialect) {
    for (; *pattern; pattern++) {
        const char *ours = tok_regex(b, where, *pattern, dialect);
        if (!ours) return false;
        struct tok_step *s = tok_step_add(b, false, SETUN_STEP_CUT, SETUN_CUT_ISOLATED);
        s->where = where;
        tok_step_text(s, ours, NULL);
    }
    return true;
}

static bool add_special(struct tok_build *b, uint32_t id, const char *text, bool ends) {
    const uint32_t n = (uint32_t)strlen(text);
    if (id >= b->n_tokens) return true; /* the model was made without it */
    b->piece[id] =
        (struct tok_piece){.at = (const uint8_t *)text, .n = n, .attrs = SETUN_ATTR_NEVER | SETUN_ATTR_HIDDEN};
    *vec_push(b->arena, &b->special) = (struct tok_special){.text = text, .n = n, .id = id};
    return !ends || tok_add_eos(b, b->path, id);
}

/* The 256 behind Llama 3's ranks: ten that begin with names, then reserved ones. */
static bool llama3_specials(struct tok_build *b, uint32_t first) {
    static const char *const named[10] = {[0] = "<|begin_of_text|>",
                                          [1] = "<|end_of_text|>",
                                          [6] = "<|start_header_id|>",
                                          [7] = "<|end_header_id|>",
                                          [9] = "<|eot_id|>"};
    uint32_t reserved = 0;
    for (uint32_t i = 0; i < 256; i++) {
        const char *text = i < COUNT_OF(named) ? named[i] : NULL;
        if (!text) text = arena_printf(b->arena, "<|reserved_special_token_%u|>", reserved++);
        if (!add_special(b, first + i, text, i == 1 || i == 9)) return false;
    }
    if (first < b->n_tokens) {
        b->bos = first;
        b->add_bos = 1;
    }
    return true;
}

bool tok_ranks_specials(struct tok_build *b, uint32_t count) {
    for (size_t i = 0; i < COUNT_OF(specials); i++)
        if (specials[i].count == count && !add_special(b, specials[i].id, specials[i].text, specials[i].ends))
            return false;
    return count != 128000 || llama3_specials(b, count);
}
