/*
 * impl.h -- a tokenizer on its way from a file to the flat table; only frontend/tokenizer*.c include it.
 *
 * from_json.c, from_spm.c, from_gguf.c and from_tiktoken.c fill struct tok_build, each from its
 * kind of file; tokenizer.c settles which tokens begin and end a text; section.c checks what all share and
 * writes the section of runtime/abi.h.
 */
#ifndef SETUN_FRONTEND_TOKENIZER_IMPL_H
#define SETUN_FRONTEND_TOKENIZER_IMPL_H

#include "base/str.h"
#include "frontend/tokenizer/tokenizer.h"
#include "runtime/abi.h"

struct tok_piece {
    const uint8_t *at; /* the bytes it stands for in a piece of text; NULL: no such id */
    uint32_t n;
    uint8_t attrs; /* enum setun_tok_attr */
    double score;  /* UNIGRAM; or what tok_merges_from_scores ranks by, the highest first */
};

struct tok_step {
    enum setun_tok_step_kind kind;
    uint32_t flags;
    const void *a, *b; /* patterns: PCRE2's syntax, from tok_regex or written for it */
    size_t na, nb;
    const char *where; /* for messages; NULL: the file */
};

/* A text that is found before anything else. */
struct tok_special {
    const void *text;
    uint32_t n, id, flags; /* enum setun_tok_special_flag */
};

struct tok_build {
    struct diag *diag;
    struct arena *arena; /* of the section and of everything here */
    const char *path;    /* of the file, for messages */
    enum setun_tok_kind kind;
    uint32_t flags; /* enum setun_tok_flag without ADD_BOS and ADD_EOS, which tok_finish sets */
    uint32_t n_tokens;
    struct tok_piece *piece; /* [n_tokens] */
    struct setun_tok_merge *merge;
    uint32_t n_merges;
    VEC(struct tok_special) special;
    VEC(struct tok_step) norm; /* before NORMALIZED specials are found */
    VEC(struct tok_step) cut;  /* after */
    int64_t byte_token[256];   /* -1: none */
    int64_t unk;               /* -1: none */
    double unk_score;          /* UNIGRAM: of a character that no token covers; 10 below the least if not a number */
    /* What the file says of beginning and end; tok_finish makes of it what the section has. */
    int64_t bos, end;     /* the tokens by name or id; -1: not said */
    int add_bos, add_eos; /* 0, 1; -1: not said */
    int64_t first, last;  /* that its own template puts in front of and behind a text; -1: none */
    int64_t eos[CONFIG_MAX_EOS];
    uint32_t n_eos; /* ascending; by tok_add_eos */
};

enum { TOK_FILE_MOST = 256 << 20 }; /* bytes of a file */

/* vocab: ids of the model.  false: more than we support, reported. */
bool tok_build_init(struct tok_build *b, struct diag *d, struct arena *a, const char *path, uint32_t vocab);

/* ---- readers; false: reported ---- */

bool tok_json_read(struct tok_build *b);
bool tok_spm_read(struct tok_build *b);
bool tok_tiktoken_read(struct tok_build *b);

/* ---- what they share ---- */

struct tok_step *tok_step_add(struct tok_build *b, bool norm, enum setun_tok_step_kind kind, uint32_t flags);
/* A step with texts; both stay where they are. */
void tok_step_text(struct tok_step *s, const char *a, const char *b);
/* The merges of SentencePiece's BPE and of tiktoken's: every pair of tokens whose concatenation is a token, ranked by
 * its score; NEVER tokens take no part. */
bool tok_merges_from_scores(struct tok_build *b);
/* The id of a token by its bytes, special ones first, or -1. */
int64_t tok_find(const struct tok_build *b, const char *text);
/* where: the place that names the token, for messages. */
bool tok_add_eos(struct tok_build *b, const char *where, int64_t id);

/* Whose regular expression; they differ in what follows a counted repetition and in a few escapes. */
enum tok_regex_dialect { TOK_REGEX_ONIGURUMA, TOK_REGEX_FANCY };
/* A published pattern in PCRE2's syntax with the meaning its author's library gives it, or NULL, reported. */
const char *tok_regex(struct tok_build *b, const char *where, const char *pattern, enum tok_regex_dialect dialect);
/* What newer Unicodes added to a category (by its first letter: to all of them), as members of a class. */
void tok_regex_newer(struct buf *out, const char *category);
/* A pattern that matches exactly this text. */
const char *tok_regex_literal(struct tok_build *b, const char *text);

/* tokenizer.c: beginning and end of a text.  config may be NULL. */
bool tok_finish(struct tok_build *b, const struct config_values *config);
/* section.c: checks, among others that the patterns compile and match nothing empty, and the flat table. */
bool tok_write_section(const struct tok_build *b, uint8_t **section, size_t *bytes);

#endif
