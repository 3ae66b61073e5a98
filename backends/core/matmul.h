/*
 * matmul.h -- what a level must say to get ternary cores, and what their files share.
 *
 * A packed tile gives 64 bytes for each step of four k (codec/i2_64.c): 16 lanes of 32 bits, four bytes a lane
 * for the four k, and in each byte four 2-bit codes: plane p (bits 2p+1:2p) belongs to row 16 p + lane.  A level
 * cuts the 64 bytes into vectors, takes from each vector one u8 operand a plane (struct mm_planes) and feeds
 * these with four activation codes, repeated in every lane, to its dot instruction.
 */
#ifndef SETUN_BACKENDS_CORE_MATMUL_H
#define SETUN_BACKENDS_CORE_MATMUL_H

#include "backends/core/core.h"

enum {
    MM_STEP = 64,    /* bytes of a tile for four k */
    MM_PLANES = 4,   /* rows in a byte */
    MM_LANES = 16,   /* lanes of a step, over all its vectors */
    MM_PANEL = 128,  /* steps at the most that are unpacked at a time for many rows: 32 KiB, the L1 cache */
    MM_DIGIT = 31,   /* what the high of two digits counts: tables of tl1 and tl2 */
    MM_MAX_ROWS = 6, /* rows of the largest register tile */
};

/*
 * How plane p leaves a packed byte: operand = (w >> right) & mask.  Its sum is 2^post times that of the codes;
 * where the masks are nested (mask[p] holds mask[p-1]), nested says that the sum of plane p-1 has to go first; open,
 * that planes 1 and 2 have those above them, too: the sum of plane p holds four times that of plane p+1.
 */
struct mm_planes {
    uint8_t right[MM_PLANES], mask[MM_PLANES], post[MM_PLANES];
    bool nested, open;
};

struct mm_target {
    unsigned bytes;          /* of a vector: 16, 32 or 64 */
    unsigned unroll, chains; /* one row: steps in the loop body; independent sets of accumulators among them */
    unsigned rows;           /* many rows: rows x 4 vectors of accumulators */
    struct mm_planes stream; /* one row: from the packed byte in a register */
    struct mm_planes panel;  /* many rows: what unpacking leaves in memory */
    /* acc + u8 . s8.  Accumulators are i32, or i16 if widen is set: then they are widened before they overflow. */
    LLVMValueRef (*dot)(struct cg *c, LLVMValueRef acc, LLVMValueRef u8, LLVMValueRef s8);
    LLVMValueRef (*widen)(struct cg *c, LLVMValueRef acc);
    LLVMValueRef (*hold)(struct cg *c, LLVMValueRef codes); /* NULL, or what to do to codes that are in every lane */
    /* NULL, or what to do to a sum of bytes so that LLVM does not add its terms up first, which takes registers. */
    LLVMValueRef (*in_order)(struct cg *c, LLVMValueRef sum);
    unsigned acc_words; /* with widen: i16 lanes of an accumulator, one product a step each, or two */
    bool below128;      /* the u8 operand of dot must be: it is taken as signed, which the screened head relies on */
    bool byte_shifts;   /* there are shifts of bytes; otherwise of 16 bits, and what comes from the side is masked */
    unsigned at_once;   /* one row of i2: vectors of a step that go through a tile together */
    unsigned quad;      /* steps whose codes are loaded together, 4, as dot takes any lane of them for all; or 1 */
    /* NULL, or for many rows, instead of dot: acc + u8 . s8, each two rows of eight bytes; acc is 2 x 2. */
    LLVMValueRef (*square)(struct cg *c, LLVMValueRef acc, LLVMValueRef u8, LLVMValueRef s8);
    /* Bytes of a table of 16, repeated in every 16 bytes, by the low four bits of each byte of index (bit 7 is 0). */
    LLVMValueRef (*lookup16)(struct cg *c, LLVMValueRef table, LLVMValueRef index);
    /* acc[h] + low + MM_DIGIT * high, 16 bits, of the signed bytes 8 h .. 8 h + 7 of each 16. */
    void (*digits)(struct cg *c, LLVMValueRef acc[2], LLVMValueRef low, LLVMValueRef high);
    /* 16-bit words of a table of 32, by the low five bits of each word of index; NULL: the level has no such word. */
    LLVMValueRef (*lookup32)(struct cg *c, LLVMValueRef table, LLVMValueRef index);
    /* Byte i: table[index[i] & 63]. */
    LLVMValueRef (*lookup64)(struct cg *c, const uint8_t table[64], LLVMValueRef index);
    bool lookup64_is_one; /* an instruction, which leaves registers free */
    /* NULL, or byte i: table[index[i]], or that of otherwise where index is 64 or more. */
    LLVMValueRef (*lookup64_or)(struct cg *c, const uint8_t table[64], LLVMValueRef index, LLVMValueRef otherwise);
    /* With widen: acc (8 x i32) + sums of two of 16 products: of 16 bits, or, with below128, s8 * s8. */
    LLVMValueRef (*pair)(struct cg *c, LLVMValueRef acc, LLVMValueRef a, LLVMValueRef b);
};

/* ---- shared by cores (matmul.c) ---- */
unsigned mm_vectors(const struct mm_target *t); /* of a step: 1, 2 or 4 */
LLVMTypeRef mm_byte_type(struct cg *c);         /* <bytes x i8> */
LLVMTypeRef mm_sum_type(struct cg *c);          /* <bytes/4 x i32> */
LLVMTypeRef mm_acc_type(struct cg *c);          /* of dot: mm_sum_type, or <bytes/2 x i16> */
/* Steps that an accumulator takes before it must be widened; 0: any number. */
unsigned mm_flush(const struct mm_target *t, const struct mm_planes *p);
/* The operands of a packed vector. */
void mm_split(struct cg *c, const struct mm_planes *p, LLVMValueRef w, LLVMValueRef out[MM_PLANES]);
/* Sums of the operands of open planes to those of the codes, in place, as dot gives them: before they are widened. What
 * has gone round in 16 bits comes back. */
void mm_apart(struct cg *c, const struct mm_planes *p, LLVMValueRef acc[MM_PLANES]);
/* Sums of the operands, apart, to sums of trits: undoes the scale, takes off the sum of the codes (one in each lane).
 */
void mm_finish(struct cg *c, const struct mm_planes *p, LLVMValueRef sum[MM_PLANES], LLVMValueRef code_sum);
/* Four activation codes at p, in every lane. */
LLVMValueRef mm_codes(struct cg *c, LLVMValueRef p);
/* The same of step i (< 4) of four whose 16 codes are a register. */
LLVMValueRef mm_codes_of(struct cg *c, LLVMValueRef quad, unsigned i);
LLVMValueRef mm_quad(struct cg *c, LLVMValueRef p); /* the 16 codes at p */
/* The int32 behind a row of K codes: its address; in every lane. */
LLVMValueRef mm_code_sum_at(struct cg *c, LLVMValueRef row, uint64_t K);
LLVMValueRef mm_code_sum(struct cg *c, LLVMValueRef row, uint64_t K);

/* The sum of `group` codes at p, in every lane. */
LLVMValueRef mm_group_sum(struct cg *c, LLVMValueRef p, uint64_t group);
/* y + float(sums) * alpha, from 64 sums of one group; v counts vectors of a plane.  sum is used up. */
void mm_add_group(struct cg *c, const struct mm_planes *p, LLVMValueRef sum[MM_PLANES], LLVMValueRef code_sum,
                  LLVMValueRef alpha, unsigned v, LLVMValueRef y[MM_PLANES]);

/* Does a token read the module's weights from memory?  Matrices that stay in the second level cache from token to token
 * are slowed down by prefetches: by 20 to 50 % on Sapphire Rapids, whose L2 has 2 MiB. */
bool mm_streams(const struct cg *c);
/* One run of memory, brought in in two steps: into L2, and from there into L1. */
enum { MM_AHEAD_L2 = 8192, MM_AHEAD_L1 = 1024 };
void mm_prefetch(struct cg *c, LLVMValueRef p);
/*
 * Memory gives several runs that are read side by side faster than one: on Sapphire Rapids, reading
 * alone, 16.5, 21.2, 23.6 and 22.8 GB/s with 1, 2, 4 and 8 runs (one thread), 32.9, 42.2, 47.3 and 45.9 (two).  So a
 * tile is read as MM_RUNS equal runs, a step of each in turn.
 *
 * Asks for what lies MM_AHEAD behind step `at` (i64) of a run of `steps`, at p; where the run ends before that, `over`
 * bytes further.  Nearer (1 KiB) or L2 first costs some percent.
 */
enum { MM_RUNS = 4, MM_AHEAD = 2048 };
void mm_prefetch_run(struct cg *c, LLVMValueRef p, LLVMValueRef at, uint64_t steps, uint64_t over);

/* "mm_stream_i2_k2560": a form of the core's function for this shape. */
const char *mm_name(struct cg *c, const char *form, const struct mm_shape *s);
LLVMTypeRef mm_type(struct cg *c);
struct mm_args mm_params(LLVMValueRef fn);
LLVMValueRef mm_tile_function(struct cg *c, const struct mm_shape *s); /* matmul_tile.c */

#endif
