/*
 * from_spm.c -- a SentencePiece model (tokenizer.model), which is one protobuf message:
 *
 *     ModelProto       1: pieces, in order of ids    2: trainer_spec    3: normalizer_spec    5: denormalizer_spec
 *     piece            1: text    2: score, f32    3: type (enum tok_type; NORMAL if absent)
 *     trainer_spec     3: model_type    24: treat_whitespace_as_suffix    35: byte_fallback
 *                      46, 47: bos_piece, eos_piece
 *     normalizer_spec  2: precompiled_charsmap    3: add_dummy_prefix    4: remove_extra_whitespaces
 *                      5: escape_whitespaces
 *
 * Everything else tells how the model was trained.  Of a number that is given twice the last one counts.
 */
#include <inttypes.h>
#include <string.h>

#include "base/check.h"
#include "base/file.h"
#include "frontend/tokenizer/pieces.h"
#include "frontend/tokenizer/protobuf.h"

enum { UNIGRAM = 1, BPE, WORD, CHAR };

struct spm {
    struct tok_build *b;
    struct tok_pieces pieces;
    uint64_t model_type;
    uint64_t space_is_suffix;
    uint32_t n; /* pieces so far */
};

static bool wrong_field(const struct spm *s, const struct pb_field *f, const char *message, const char *what) {
    const struct tok_build *b = s->b;
    const char *where =
        arena_printf(b->arena, "%s: field %s.%u, byte 0x%" PRIx64, b->path, message, f->number, f->offset);
    return diag_in(b->diag, where, DIAG_TOK_FIELD, what);
}

static bool of_kind(const struct spm *s, const struct pb_field *f, const char *message, enum pb_kind kind) {
    static const char *const name[] = {[PB_VARINT] = "is not a varint",
                                       [PB_FIXED64] = "is not 64 bits",
                                       [PB_BYTES] = "is not of bytes",
                                       [PB_FIXED32] = "is not 32 bits"};
    return f->kind == kind || wrong_field(s, f, message, name[kind]);
}

static bool read_bool(const struct spm *s, const struct pb_field *f, const char *message, bool *out) {
    if (!of_kind(s, f, message, PB_VARINT)) return false;
    *out = f->value != 0;
    return true;
}

/* ---- pieces ---- */

static bool piece_field(const struct spm *s, const struct pb_field *f, struct tok_entry *e) {
    static const char message[] = "pieces";
    switch (f->number) {
    case 1:
        e->at = f->message.at;
        e->n = (size_t)pb_size(&f->message);
        return of_kind(s, f, message, PB_BYTES);
    case 2: e->score = f32_of_bits((uint32_t)f->value); return of_kind(s, f, message, PB_FIXED32);
    case 3:
        if (!of_kind(s, f, message, PB_VARINT)) return false;
        if (f->value < TOK_NORMAL || f->value > TOK_BYTE) return wrong_field(s, f, message, "is a type that is none");
        e->type = (enum tok_type)f->value;
        return true;
    default: return true;
    }
}

static bool read_piece(struct spm *s, const struct pb_field *outer) {
    struct pb m = outer->message;
    struct pb_field f;
    enum pb_got got;
    struct tok_entry e = {.type = TOK_NORMAL};
    while ((got = pb_next(&m, &f)) == PB_FIELD)
        if (!piece_field(s, &f, &e)) return false;
    if (got == PB_BAD) return wrong_field(s, &f, "pieces", f.wrong);
    e.offset = outer->offset;
    return tok_place_piece(s->b, &s->pieces, s->n++, &e);
}

/* ---- what surrounds them ---- */

static bool trainer_field(struct spm *s, const struct pb_field *f) {
    static const char message[] = "trainer_spec";
    struct tok_pieces *p = &s->pieces;
    switch (f->number) {
    case 3: s->model_type = f->value; return of_kind(s, f, message, PB_VARINT);
    case 24: s->space_is_suffix = f->value; return of_kind(s, f, message, PB_VARINT);
    case 35: return read_bool(s, f, message, &p->byte_fallback);
    case 46:
    case 47: {
        struct tok_text *t = f->number == 46 ? &p->bos : &p->eos;
        *t = (struct tok_text){f->message.at, (size_t)pb_size(&f->message)};
        return of_kind(s, f, message, PB_BYTES);
    }
    default: return true;
    }
}

static bool normalizer_field(struct spm *s, const struct pb_field *f) {
    static const char message[] = "normalizer_spec";
    struct tok_pieces *p = &s->pieces;
    switch (f->number) {
    case 2:
        p->charsmap = (struct tok_text){f->message.at, (size_t)pb_size(&f->message)};
        return of_kind(s, f, message, PB_BYTES);
    case 3: return read_bool(s, f, message, &p->dummy_prefix);
    case 4: return read_bool(s, f, message, &p->remove_extra);
    case 5: return read_bool(s, f, message, &p->escape);
    default: return true;
    }
}

/* A denormalizer with a map would change what is printed. */
static bool denormalizer_field(struct spm *s, const struct pb_field *f) {
    if (f->number != 2 || pb_size(&f->message) == 0) return true;
    return wrong_field(s, f, "denormalizer_spec", "is a map: not supported");
}

static bool each_field(struct spm *s, const struct pb_field *outer, const char *message,
                       bool (*read)(struct spm *, const struct pb_field *)) {
    if (!of_kind(s, outer, "ModelProto", PB_BYTES)) return false;
    struct pb m = outer->message;
    struct pb_field f;
    enum pb_got got;
    while ((got = pb_next(&m, &f)) == PB_FIELD)
        if (!read(s, &f)) return false;
    return got == PB_END || wrong_field(s, &f, message, f.wrong);
}

static bool top_field(struct spm *s, const struct pb_field *f) {
    switch (f->number) {
    case 1: return of_kind(s, f, "ModelProto", PB_BYTES) && read_piece(s, f);
    case 2: return each_field(s, f, "trainer_spec", trainer_field);
    case 3: return each_field(s, f, "normalizer_spec", normalizer_field);
    case 5: return each_field(s, f, "denormalizer_spec", denormalizer_field);
    default: return true;
    }
}

static bool check_model(const struct spm *s) {
    static const char *const name[] = {[WORD] = "model_type WORD", [CHAR] = "model_type CHAR"};
    const struct tok_build *b = s->b;
    if (s->model_type != UNIGRAM && s->model_type != BPE)
        return diag_in(b->diag, b->path, DIAG_TOK_UNSUPPORTED,
                       s->model_type == WORD || s->model_type == CHAR ? name[s->model_type] : "this model_type");
    return !s->space_is_suffix || diag_in(b->diag, b->path, DIAG_TOK_UNSUPPORTED, "treat_whitespace_as_suffix");
}

bool tok_spm_read(struct tok_build *b) {
    char *text;
    size_t n;
    if (!file_read(b->diag, b->arena, b->path, TOK_FILE_MOST, &text, &n)) return false;
    const uint8_t *at = (const uint8_t *)text;
    struct spm s = {.b = b,
                    .model_type = UNIGRAM,
                    .pieces = {.bos = {(const uint8_t *)"<s>", 3},
                               .eos = {(const uint8_t *)"</s>", 4},
                               .dummy_prefix = true,
                               .remove_extra = true,
                               .escape = true}};
    struct pb m = {at, at, at + n};
    struct pb_field f;
    enum pb_got got;
    while ((got = pb_next(&m, &f)) == PB_FIELD)
        if (!top_field(&s, &f)) return false;
    if (got == PB_BAD) return wrong_field(&s, &f, "ModelProto", f.wrong);
    if (!check_model(&s)) return false;
    b->kind = s.model_type == BPE ? SETUN_TOK_BPE : SETUN_TOK_UNIGRAM;
    return tok_finish_pieces(b, &s.pieces);
}
