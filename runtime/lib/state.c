/*
 * state.c -- a sequence saved and restored (lib.h).
 *
 *   struct head | u32 ids[positions] | f32 output[elems] | blocks of 64 positions
 *
 * Each part is followed by zero bytes up to a multiple of 64.  The blocks are those of struct setun_step's state; what
 * belongs to positions behind the last is zero, because whatever shortens a sequence, reset, rewind and restore,
 * clears what is left of it.  So the bytes follow from model, code and tokens.
 */
#include <math.h>
#include <string.h>

#include "runtime/cpu.h"
#include "runtime/lib/impl.h"

#define MAGIC 0x5441545355544553ull /* "SETUSTAT" */
enum { VERSION = 1 };

struct head {
    uint64_t magic;
    uint32_t version, positions;
    uint64_t bytes; /* of the whole */
    struct setun_origin_ids origin;
    uint64_t block_bytes;
    uint32_t elems; /* of the output; 0: there is none */
    uint32_t pad;
    uint64_t zero[7];
    uint64_t hash; /* setun_hash of all other bytes, in order */
};
_Static_assert(sizeof(struct head) == 128, "state");

#define ULL(x) ((unsigned long long)(x))

static uint64_t blocks_of(uint64_t positions) { return (positions + SETUN_BLOCK - 1) / SETUN_BLOCK; }
static uint64_t padded(uint64_t bytes) { return (bytes + 63) / 64 * 64; }

/* positions fit the context and elems the output, whose memory is there: no sum overflows. */
static uint64_t bytes_of(const struct setun_lib *h, uint32_t positions, uint32_t elems) {
    return sizeof(struct head) + padded(4 * (uint64_t)positions) + padded(4 * (uint64_t)elems) +
           blocks_of(positions) * h->n.e.block_bytes;
}

uint64_t setun_lib_state_bytes(const struct setun_lib *h, uint32_t tokens) {
    return h && tokens <= h->n.e.context ? bytes_of(h, tokens, tokens ? h->n.e.out_elems : 0) : 0;
}

static uint64_t hash_of(const struct head *head, const uint8_t *behind) {
    struct setun_hasher hash;
    setun_hash_init(&hash);
    setun_hash_add(&hash, head, offsetof(struct head, hash));
    setun_hash_add(&hash, behind, head->bytes - sizeof *head);
    return setun_hash_end(&hash);
}

/* ---- writing ---- */

static uint8_t *put(uint8_t *to, const void *from, uint64_t n) {
    if (n) memcpy(to, from, n);
    memset(to + n, 0, padded(n) - n);
    return to + padded(n);
}

SETUN_LIB_INSIDE int save(struct setun_lib *h, uint8_t *to, size_t room, size_t *count) {
    const struct setun_engine *e = &h->n.e;
    uint32_t elems = h->ready ? e->out_elems : 0;
    if ((!to && room) || !count) return setun_lib_fail(h, SETUN_LIB_ARGUMENT, "there is no place for the state");
    struct head head = {.magic = MAGIC,
                        .version = VERSION,
                        .positions = h->held,
                        .bytes = bytes_of(h, h->held, elems),
                        .origin = e->origin.ids,
                        .block_bytes = e->block_bytes,
                        .elems = elems};
    *count = head.bytes;
    if (head.bytes > room) {
        return setun_lib_fail(h, SETUN_LIB_ROOM, "there are %zu bytes for a state of %llu", room, ULL(head.bytes));
    }
    int error = elems ? setun_lib_whole(h) : SETUN_LIB_OK;
    if (error != SETUN_LIB_OK) return error;
    uint8_t *at = put(to + sizeof head, h->ids, 4 * (uint64_t)h->held);
    at = put(at, e->out, 4 * (uint64_t)elems);
    if (e->block_bytes) memcpy(at, e->state, blocks_of(h->held) * e->block_bytes);
    head.hash = hash_of(&head, to + sizeof head);
    memcpy(to, &head, sizeof head);
    return SETUN_LIB_OK;
}

int setun_lib_save(struct setun_lib *h, void *to, size_t room, size_t *count) {
    if (!h) return SETUN_LIB_ARGUMENT;
    uint64_t mode = setun_lib_enter(h);
    int error = save(h, to, room, count);
    setun_cpu_float_restore(mode);
    return error;
}

/* ---- reading: nothing of the handle changes before all is checked ---- */

static int check_head(struct setun_lib *h, const struct head *head, size_t n) {
    const struct setun_engine *e = &h->n.e;
    if (n < sizeof *head || head->magic != MAGIC) {
        return setun_lib_fail(h, SETUN_LIB_STATE, "these %zu bytes are not a saved state", n);
    }
    if (head->version != VERSION) {
        return setun_lib_fail(h, SETUN_LIB_STATE, "a state of version %u, this library has %d", head->version, VERSION);
    }
    if (memcmp(&head->origin, &e->origin.ids, sizeof head->origin) != 0 || head->block_bytes != e->block_bytes) {
        return setun_lib_fail(h, SETUN_LIB_STATE,
                              "a state of another model or build: its id is %016llx, this is %016llx",
                              ULL(head->origin.pack), ULL(e->origin.ids.pack));
    }
    if (head->positions > e->context) {
        return setun_lib_fail(h, SETUN_LIB_STATE, "a state of %u tokens, the context has %u", head->positions,
                              e->context);
    }
    if ((head->elems != 0 && head->elems != e->out_elems) || head->bytes != n ||
        n != bytes_of(h, head->positions, head->elems)) {
        return setun_lib_fail(h, SETUN_LIB_STATE, "a damaged state: it has %zu bytes for %u tokens", n,
                              head->positions);
    }
    return SETUN_LIB_OK;
}

static bool ids_good(const struct setun_lib *h, const uint8_t *at, uint32_t n) {
    for (uint32_t i = 0, id; i < n; i++) {
        memcpy(&id, at + 4 * (uint64_t)i, sizeof id);
        if (id >= h->n.e.vocab) return false;
    }
    return true;
}

static bool floats_good(const uint8_t *at, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        float x;
        memcpy(&x, at + 4 * (uint64_t)i, sizeof x);
        if (!isfinite(x)) return false;
    }
    return true;
}

/* Blocks from `from` on that the sequence has used, as they were at first. */
static void clear(struct setun_lib *h, uint64_t from) {
    uint64_t to = blocks_of(h->dirty);
    const struct setun_engine *e = &h->n.e;
    if (from < to && e->block_bytes) memset(e->state + from * e->block_bytes, 0, (to - from) * e->block_bytes);
}

SETUN_LIB_INSIDE int restore(struct setun_lib *h, const uint8_t *from, size_t n) {
    struct setun_engine *e = &h->n.e;
    struct head head = {0};
    if (!from) return setun_lib_fail(h, SETUN_LIB_ARGUMENT, "there is no state");
    if (n >= sizeof head) memcpy(&head, from, sizeof head);
    int error = check_head(h, &head, n);
    if (error != SETUN_LIB_OK) return error;
    const uint8_t *ids = from + sizeof head, *output = ids + padded(4 * (uint64_t)head.positions),
                  *blocks = output + padded(4 * (uint64_t)head.elems);
    uint64_t hash = hash_of(&head, ids);
    if (hash != head.hash || !ids_good(h, ids, head.positions) || !floats_good(output, head.elems)) {
        return setun_lib_fail(h, SETUN_LIB_STATE, "a damaged state: its hash is %016llx instead of %016llx", ULL(hash),
                              ULL(head.hash));
    }
    clear(h, blocks_of(head.positions));
    memcpy(h->ids, ids, 4 * (size_t)head.positions);
    memcpy((uint8_t *)h->n.memory + h->n.model->logits_offset, output, 4 * (size_t)head.elems);
    if (e->block_bytes) memcpy(e->state, blocks, blocks_of(head.positions) * e->block_bytes);
    h->held = h->dirty = head.positions;
    h->ready = head.elems > 0;
    h->used = e->screened = false;
    e->n_live = 1;
    return SETUN_LIB_OK;
}

int setun_lib_restore(struct setun_lib *h, const void *from, size_t n) {
    if (!h) return SETUN_LIB_ARGUMENT;
    uint64_t mode = setun_lib_enter(h);
    int error = restore(h, from, n);
    setun_cpu_float_restore(mode);
    return error;
}

void setun_lib_cut(struct setun_lib *h, uint32_t n) {
    clear(h, n / SETUN_BLOCK);
    h->held = h->dirty = n;
    h->ready = h->used = false;
}

int setun_lib_reset(struct setun_lib *h) {
    if (!h) return SETUN_LIB_ARGUMENT;
    h->message[0] = 0;
    setun_lib_cut(h, 0);
    return SETUN_LIB_OK;
}
