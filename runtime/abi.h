/*
 * abi.h -- all that the compiler and the runtime know of each other.
 *
 * Three contracts: what generated code sees while it runs (struct setun_step), what it says about itself
 * (struct setun_model), and the pack: the bytes behind the executable that hold texts, tokenizer and weights.
 * Every offset that both sides rely on is asserted below.  All numbers are little-endian.
 */
#ifndef SETUN_RUNTIME_ABI_H
#define SETUN_RUNTIME_ABI_H

#include <stddef.h>
#include <stdint.h>

#define SETUN_ABI 3u

/* ---- a step ---- */

/* One row: a token at a position of a sequence.  live: its results are wanted. */
struct setun_row {
    uint32_t token, slot, pos, live;
};

/*
 * What generated code is given.  The same struct is shared by all threads of a step; tid tells them apart.
 * Arena and states start zeroed and 64-byte aligned.
 *
 * State of sequence `slot` at position p, for a state at byte offset o in a block (known to the compiler):
 *     state + slot * slot_stride + (p / 64) * state_block_bytes + o, and there as docs/formats.md draws a block,
 * so that a longer context only appends blocks.
 */
struct setun_step {
    const uint8_t *weights; /* the pack's data section */
    uint8_t *arena;
    uint8_t *state;
    uint8_t *scratch; /* thread tid owns scratch + tid * scratch_stride */
    uint64_t scratch_stride;
    uint64_t slot_stride;
    const struct setun_row *rows;
    const uint32_t *live; /* indices of the live rows, ascending */
    uint32_t n_rows, n_live;
    uint32_t n_threads;
    uint32_t positions; /* capacity of a slot, a multiple of 64 */
    void (*barrier)(struct setun_step *, uint32_t tid);
    /* NULL, or called by thread 0 after a kernel and a barrier, the other threads waiting at a second one;
     * kernel is an index of setun_model.kernels. */
    void (*trace)(struct setun_step *, uint32_t kernel, uint32_t layer);
    /* 0; or not, once a kernel has met activations that are not finite: at this position, the least of them.  0 before
     * a step are bad and bad_pos.  layer: UINT32_MAX is none. */
    uint32_t bad, bad_pos;
    uint32_t bad_layer, bad_kernel;
    uint64_t unpacked_tiles; /* counted only by builds with --count */
    /* NULL, or called by thread 0 after a kernel and its barrier; nobody waits for it. */
    void (*tick)(struct setun_step *, uint32_t kernel, uint32_t layer);
    /* Grows by the bytes of ternary weights that steps of one row did not read, because their activations were zero. */
    uint64_t skipped_bytes;
    /* 0; or, for measuring only, about 2^32 times the share of channels that are taken as active by cores that skip,
     * drawn by their numbers, whatever the codes are.  Then results mean nothing. */
    uint32_t active, pad;
    /* Of all threads, for parts of one kernel: zero at first; what a kernel counts there it sets back to zero. */
    uint8_t *shared;
    /* Not 0: of a single live row, if the model has a screen, a step gives intervals of the logits (struct
     * setun_screen) and no logits.  Afterwards, with the arena as the step left it, the level's `all` gives the logits
     * after all, and `some` those of n_ids tokens, into `exact`. */
    uint32_t screen;
    uint32_t n_ids;
    const uint32_t *ids;
    float *exact;
};

typedef void setun_step_fn(struct setun_step *, uint32_t tid);

/* ---- what generated code says about itself ---- */

/* Bits of setun_level.needs, of all families; the runtime tests them (cpu_<family>.c). */
enum setun_feature {
    SETUN_F_V3 = 1u << 0, /* x86-64-v3: AVX2, FMA, F16C, BMI1/2, LZCNT, MOVBE */
    SETUN_F_AVXVNNI = 1u << 1,
    SETUN_F_V4 = 1u << 2, /* x86-64-v4: AVX-512 F, BW, CD, DQ, VL */
    SETUN_F_AVX512VNNI = 1u << 3,
    SETUN_F_AVX512VBMI = 1u << 4,
    SETUN_F_NEON = 1u << 8, /* any aarch64 */
    SETUN_F_DOTPROD = 1u << 9,
    SETUN_F_I8MM = 1u << 10,
};

struct setun_level {
    const char *name; /* "avx2", "avxvnni", "avx512vnni" */
    uint32_t needs;
    uint32_t pad;
    setun_step_fn *step;
    setun_step_fn *all, *some; /* logits after a screened step; NULL: the model has no screen */
};

enum setun_elem { SETUN_F32, SETUN_I8, SETUN_I32 };

/* One value that a kernel leaves in the arena: row r of the rows (or live rows) at
 * arena + offset + r * row_stride. */
struct setun_value {
    const char *name;
    uint32_t elem;       /* enum setun_elem */
    uint32_t live;       /* 1: one row a live row; 0: one a row */
    uint32_t elems;      /* in a row */
    uint32_t row_stride; /* bytes */
    uint64_t offset;
};

struct setun_kernel {
    const char *name; /* function and first result: "body.0:h" */
    const struct setun_value *values;
    uint32_t n_values;
    uint32_t line;              /* of the model text, of the kernel's first op; 0: none */
    uint64_t bytes;             /* of weights read by one execution */
    uint64_t cache_block_bytes; /* of caches read by one execution for 64 positions that it sees */
    uint32_t window;            /* positions seen at most; 0: all */
    uint32_t pad;
};

struct setun_model {
    uint32_t abi;
    uint32_t n_levels;
    const struct setun_level *levels; /* best first */
    const char *name;                 /* of the model text */
    const char *compiler;             /* version and LLVM version */
    uint32_t vocab, context, max_rows, n_kernels;
    const struct setun_kernel *kernels;
    uint64_t arena_bytes;
    uint64_t scratch_bytes;              /* of a thread, plus ... */
    uint64_t scratch_bytes_per_position; /* ... this times the positions */
    uint64_t state_block_bytes;          /* of one slot, 64 positions */
    uint64_t logits_offset;              /* of what the entry emits, in the arena; a row a live row */
    uint64_t logits_stride;              /* bytes */
    uint64_t weight_bytes;               /* size of the data section */
    uint64_t ternary_bytes;              /* of it, read by one token's ternary matmuls */
    uint64_t pack_id;                    /* equals setun_pack.id: code and weights belong together */
    const char *out_name;                /* what the entry emits: "logits", "embedding" */
    uint32_t out_elems, pad;             /* of one row of it: vocab for logits */
    uint64_t shared_bytes;               /* of all threads, plus ... */
    uint64_t shared_bytes_per_position;  /* ... this times the positions */
    uint64_t screen_bytes;               /* read by a screened step in the place of the head's own; 0: no screen */
    uint32_t head_kernel, pad2;          /* with a screen: the kernel whose bytes those are */
};

/*
 * What a screened step leaves where the logits of three rows would be: of token i, a lower and an upper end, low[i] <=
 * logit <= high[i]; of SETUN_SCREEN_UNIT tokens, the largest of each.  Ends are infinite where a logit might not be
 * finite.  docs/numerics.md, "The screen".
 */
enum { SETUN_SCREEN_UNIT = 64 };
struct setun_screen {
    float *low, *high;           /* rows 0 and 1, [vocab] */
    float *unit_low, *unit_high; /* row 2, [(vocab + 63) / 64] each */
};

/* The symbol that the generated object defines and the runtime reads. */
extern const struct setun_model setun_model;

/* ---- the pack ---- */

/*
 *   ELF ... | pad to 64 KiB | struct setun_pack | sections | pad to 64 KiB | data | struct setun_footer
 *
 * Sections hold texts (not terminated) and tables, in the order of the enum, each at a multiple of 64 bytes;
 * an absent one has 0 bytes.  Offsets count from the start of struct setun_pack.  Pack and data section start at
 * multiples of 64 KiB of the file.
 */
#define SETUN_PACK_MAGIC   0x4b43415055544553ull /* "SETUPACK" */
#define SETUN_FOOTER_MAGIC 0x544f4f4655544553ull /* "SETUFOOT" */
#define SETUN_PACK_ALIGN   65536u

enum setun_section {
    SETUN_SEC_MODEL,     /* the .stn text */
    SETUN_SEC_CONFIG,    /* config values as "name = value" lines */
    SETUN_SEC_IR,        /* the IR that was compiled */
    SETUN_SEC_TOKENIZER, /* struct setun_tok and what it points to */
    SETUN_SEC_CHAT,      /* struct setun_chat and what it points to: the chat template */
    SETUN_SEC_TENSORS,   /* struct setun_tensor[], then at once their names: the first one's place tells the number */
    SETUN_SEC_LICENSES,
    SETUN_N_SECTIONS
};

struct setun_span {
    uint64_t offset, bytes;
};

struct setun_pack {
    uint64_t magic;
    uint32_t abi, n_sections;
    uint64_t id;          /* hash of model, IR, tensor table */
    uint64_t header_hash; /* setun_hash of the bytes from the field `data` to the end of the last section */
    uint64_t data_hash;   /* setun_hash of the data section */
    struct setun_span data;
    struct setun_span section[SETUN_N_SECTIONS];
};

struct setun_footer {
    uint64_t magic;
    uint64_t pack_offset; /* in the file */
    uint64_t pack_bytes;  /* up to the footer */
    uint64_t id;
    uint64_t reserved[4];
};

/* Layouts of a tensor in the data section. */
enum setun_layout {
#define LAYOUT(id, name) SETUN_LAYOUT_##id,
#include "runtime/layouts.def"
    SETUN_N_LAYOUTS
};

/* One weight class in the data section; layer l of it lies at offset + l * layer_stride. */
struct setun_tensor {
    uint64_t offset, layer_stride;
    uint64_t scale_offset;     /* trits: of layer 0's scales, same stride */
    uint32_t name, name_bytes; /* in the tensor section */
    uint32_t layout, store;    /* enum setun_layout, enum ir_store */
    uint32_t layers, rank;
    uint32_t dim[4];
    uint32_t n_scales, group; /* group: columns that share a scale; 0: one a matrix or a row */
    uint64_t screen_offset;   /* of the int8 rows of a head, tiles of 16 rows; 0: none */
};

/*
 * The hash of packs: four lanes of 64 bits over 32-byte stripes, h = (h ^ word) * 0x9E3779B97F4A7C15 then
 * h ^= h >> 29, lanes start at 1..4; a short stripe is zero padded.  The result starts as the byte count and takes in
 * the four lanes in order, each by the same step.
 */
uint64_t setun_hash(const void *p, uint64_t n);

/* The same, piece by piece: init, add any number of times, end. */
struct setun_hasher {
    uint64_t lane[4], n;
    uint8_t tail[32];
};
void setun_hash_init(struct setun_hasher *h);
void setun_hash_add(struct setun_hasher *h, const void *p, uint64_t n);
uint64_t setun_hash_end(struct setun_hasher *h);

/* ---- the tokenizer section: a flat table, checked whole when the executable starts (docs/tokenizers.md) ---- */

#define SETUN_TOK_MAGIC 0x32544f53u /* "SOT2" */
#define SETUN_NO_TOKEN  0xffffffffu

/* How a piece becomes tokens.  SentencePiece's BPE and tiktoken's ranks are BPE too: their merges are the pairs of
 * tokens whose concatenation is a token, ranked by its score (equal scores, equal rank). */
enum setun_tok_kind { SETUN_TOK_BPE = 1, SETUN_TOK_UNIGRAM };
enum setun_tok_flag {
    SETUN_TOK_IGNORE_MERGES = 1,  /* a piece that is a token is that token */
    SETUN_TOK_ADD_BOS = 2,        /* `bos` in front of a text */
    SETUN_TOK_ADD_EOS = 4,        /* `end` behind a text */
    SETUN_TOK_CHARS = 8,          /* BPE starts from characters, not bytes */
    SETUN_TOK_BYTE_FALLBACK = 16, /* a character that is no token becomes the tokens of its bytes */
    SETUN_TOK_FUSE_UNK = 32,      /* neighbouring unknown characters are one unknown token */
    SETUN_TOK_SUM_F32 = 64,       /* UNIGRAM: scores of paths are added in float, not double */
    SETUN_TOK_SPACE_MARK = 128,   /* U+2581 in a token is printed as a space */
    SETUN_TOK_STRIP_ONE = 256,    /* one space at the start of a printed text is dropped */
    SETUN_TOK_STRIP_MARKS = 512,  /* the marks of the first token of a printed text are dropped */
    SETUN_TOK_FLAGS = 1023
};

/* What is done to a text, in order. */
enum setun_tok_step_kind {
    SETUN_STEP_NFC = 1,
    SETUN_STEP_NFD,
    SETUN_STEP_NFKC,
    SETUN_STEP_NFKD,
    SETUN_STEP_LOWER,
    SETUN_STEP_PREPEND,   /* a in front; flags: enum setun_tok_prepend */
    SETUN_STEP_REPLACE,   /* every a becomes b */
    SETUN_STEP_REGEX,     /* every match of the pattern a becomes b */
    SETUN_STEP_STRIP,     /* white space off the ends; flags: 1 left, 2 right */
    SETUN_STEP_CHARSMAP,  /* a: SentencePiece's compiled map; the longest entry at each place */
    SETUN_STEP_GRAPHEMES, /* the same map as the tokenizers library applies it, grapheme by grapheme */
    SETUN_STEP_BYTES,     /* each byte becomes the printable character that stands for it in byte-level vocabularies */
    SETUN_STEP_UNBYTES,   /* and back */
    SETUN_STEP_CUT,       /* into matches of the pattern a and what lies between them; flags: enum setun_tok_cut */
    SETUN_N_STEPS
};
enum setun_tok_prepend {
    SETUN_PREPEND_UNLESS = 1, /* not if the text begins with a already */
    SETUN_PREPEND_FIRST = 2,  /* only what lies at the very start of the text */
};
/* One of the five, or'ed with INVERT: what lies between takes the place of the matches. */
enum setun_tok_cut {
    SETUN_CUT_ISOLATED = 1, /* a match is a piece */
    SETUN_CUT_REMOVED,      /* a match is dropped */
    SETUN_CUT_PREVIOUS,     /* a match belongs to what is before it, */
    SETUN_CUT_NEXT,         /* behind it */
    SETUN_CUT_CONTIGUOUS,   /* neighbouring matches are one piece */
    SETUN_CUT_INVERT = 8
};
struct setun_tok_step {
    uint32_t kind, flags;
    uint32_t a, a_bytes, b, b_bytes; /* offsets in the section */
};

struct setun_tok_merge {
    uint32_t left, right; /* token ids; the table is sorted by (left, right) */
    uint32_t rank;        /* lower merges first, the leftmost among equals */
    uint32_t result;
};

/* Special and added tokens: their texts are found before anything else, at each place the longest. */
enum setun_tok_special_flag {
    SETUN_SPECIAL_ALWAYS = 1,      /* also where special tokens are not allowed: an added word */
    SETUN_SPECIAL_LSTRIP = 2,      /* white space on the left belongs to it */
    SETUN_SPECIAL_RSTRIP = 4,      /* on the right */
    SETUN_SPECIAL_WORD = 8,        /* not next to a word character */
    SETUN_SPECIAL_NORMALIZED = 16, /* its normalised text is found in the normalised text */
    SETUN_SPECIAL_AS_IS = 32,      /* with NORMALIZED: its text is that of normalised text already */
    SETUN_SPECIAL_FLAGS = 63
};
struct setun_tok_special {
    uint32_t id, flags;
    uint32_t text, text_bytes; /* offset in the section */
};

/* What a token is besides its bytes. */
enum setun_tok_attr {
    SETUN_ATTR_NEVER = 1,  /* no text becomes it by its bytes: special, unused, of a single byte among characters */
    SETUN_ATTR_HIDDEN = 2, /* printed only where special tokens are */
    SETUN_ATTRS = 3
};

struct setun_tok {
    uint32_t magic, kind, flags, n_tokens;
    uint32_t n_merges, n_specials, n_eos;
    uint32_t n_norms, n_cuts; /* steps before and after the NORMALIZED specials are found */
    uint32_t bos, end, unk;   /* SETUN_NO_TOKEN if none */
    uint32_t eos[8];          /* that end a text */
    uint32_t byte_token[256]; /* of each single byte, or SETUN_NO_TOKEN */
    /* Offsets in the section. */
    uint32_t steps;            /* struct setun_tok_step[n_norms + n_cuts] */
    uint32_t index;            /* u32[n_tokens + 1]: where each token's bytes begin in `bytes` */
    uint32_t bytes, bytes_len; /* what each token stands for, in a piece */
    uint32_t attrs;            /* u8[n_tokens]: enum setun_tok_attr */
    uint32_t sorted;           /* u32[n_tokens]: ids by bytes (memcmp, shorter first), NEVER last among equals, id */
    uint32_t merges;           /* struct setun_tok_merge[n_merges] */
    uint32_t scores;           /* f64[n_tokens], a multiple of 8, UNIGRAM only: log probabilities */
    uint32_t specials;         /* struct setun_tok_special[n_specials] */
    uint32_t pad;
    double unk_score; /* UNIGRAM: of a character that no token covers alone */
};

/* ---- the chat section: the template of conversations (docs/chat.md), checked whole by setun_chat_open ---- */

#define SETUN_CHAT_MAGIC 0x31544843u /* "CHT1" */
#define SETUN_CHAT_EOTS  4u
#define SETUN_CHAT_STOPS 16u

/* A text of the section.  offset 0: there is none. */
struct setun_chat_text {
    uint32_t offset, bytes;
};
struct setun_chat {
    uint32_t magic, n_eot, n_stops, pad;
    uint32_t eot[SETUN_CHAT_EOTS];                 /* tokens that end an answer, besides the tokenizer's eos */
    struct setun_chat_text jinja;                  /* the template */
    struct setun_chat_text bos, eos;               /* bos_token and eos_token of the template */
    struct setun_chat_text stop[SETUN_CHAT_STOPS]; /* texts that end an answer */
};

_Static_assert(sizeof(void *) == 8, "64-bit machines only");
_Static_assert(offsetof(struct setun_step, scratch_stride) == 32, "abi");
_Static_assert(offsetof(struct setun_step, rows) == 48, "abi");
_Static_assert(offsetof(struct setun_step, n_rows) == 64, "abi");
_Static_assert(offsetof(struct setun_step, barrier) == 80, "abi");
_Static_assert(offsetof(struct setun_step, bad) == 96, "abi");
_Static_assert(offsetof(struct setun_step, unpacked_tiles) == 112, "abi");
_Static_assert(offsetof(struct setun_step, tick) == 120, "abi");
_Static_assert(offsetof(struct setun_step, active) == 136, "abi");
_Static_assert(offsetof(struct setun_step, shared) == 144, "abi");
_Static_assert(offsetof(struct setun_step, screen) == 152, "abi");
_Static_assert(sizeof(struct setun_step) == 176, "abi");
_Static_assert(sizeof(struct setun_level) == 40, "abi");
_Static_assert(sizeof(struct setun_value) == 32, "abi");
_Static_assert(sizeof(struct setun_kernel) == 48, "abi");
_Static_assert(sizeof(struct setun_model) == 176, "abi");
_Static_assert(sizeof(struct setun_pack) == 56 + 16 * SETUN_N_SECTIONS, "abi");
_Static_assert(sizeof(struct setun_footer) == 64, "abi");
_Static_assert(sizeof(struct setun_tensor) == 80, "abi");
_Static_assert(sizeof(struct setun_tok_step) == 24, "abi");
_Static_assert(sizeof(struct setun_tok) == 48 + 32 + 1024 + 40 + 8, "abi");
_Static_assert(sizeof(struct setun_chat) == 16 + 16 + 24 + 128, "abi");

#endif
