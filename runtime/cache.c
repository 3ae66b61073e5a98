/*
 * cache.c -- reads and writes the file of --prompt-cache (cache.h).
 *
 * The file goes straight into the engine's memory and is hashed there, before any step: a damaged one ends the program.
 */
#include "runtime/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ULL(x) ((unsigned long long)(x))

struct reader {
    int fd;
    const char *path;
    struct setun_hasher hash;
};

static uint64_t blocks_of(uint64_t positions) { return (positions + SETUN_BLOCK - 1) / SETUN_BLOCK; }

static uint64_t ids_bytes(uint64_t positions) { return (4 * positions + 63) / 64 * 64; }

/* false: the sizes do not fit 64 bits. */
static bool file_bytes(uint64_t *out, uint64_t positions, uint64_t block_bytes) {
    return setun_mul(out, blocks_of(positions), block_bytes) &&
           setun_add(out, *out, sizeof(struct setun_cache_head) + ids_bytes(positions));
}

static void hash_head(struct setun_hasher *h, const struct setun_cache_head *head) {
    setun_hash_init(h);
    setun_hash_add(h, head, offsetof(struct setun_cache_head, hash));
}

static int read_exactly(struct reader *r, void *to, uint64_t n) {
    for (uint8_t *at = to; n > 0;) {
        if (setun_stopped()) return setun_stopped();
        ssize_t got = read(r->fd, at, n < 1 << 20 ? (size_t)n : 1 << 20);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return setun_fail(EXIT_IO, "%s: cannot be read: %s", r->path, strerror(errno));
        if (got == 0) return setun_fail(EXIT_IO, "%s: became shorter while it was read", r->path);
        setun_hash_add(&r->hash, at, (uint64_t)got);
        at += got;
        n -= (uint64_t)got;
    }
    return EXIT_OK;
}

static int damaged(const struct reader *r, const char *what, uint64_t found, uint64_t wanted) {
    return setun_fail(EXIT_REJECTED, "%s: a damaged prompt cache: %s is %llu instead of %llu; delete it", r->path, what,
                      ULL(found), ULL(wanted));
}

static int other_model(const struct setun_engine *e, const struct reader *r, const struct setun_cache_head *h) {
    const struct setun_origin_ids *a = &h->origin, *b = &e->origin.ids;
    const char *what = a->pack != b->pack ? "id" : a->weights != b->weights ? "weights hash" : "code";
    uint64_t found = a->pack != b->pack ? a->pack : a->weights != b->weights ? a->weights : a->code;
    uint64_t wanted = a->pack != b->pack ? b->pack : a->weights != b->weights ? b->weights : b->code;
    return setun_fail(EXIT_REJECTED,
                      "%s: the prompt cache of another executable: its model is '%s' with %s %016llx, this one is '%s' "
                      "with %016llx",
                      r->path, h->model, what, ULL(found), e->origin.name, ULL(wanted));
}

static int check_head(const struct setun_engine *e, const struct reader *r, const struct setun_cache_head *h,
                      uint64_t bytes) {
    uint64_t wanted;
    if (bytes < sizeof *h || h->magic != SETUN_CACHE_MAGIC) {
        return setun_fail(EXIT_REJECTED, "%s: not a prompt cache; nothing was written to it", r->path);
    }
    if (h->version != SETUN_CACHE_VERSION) {
        return setun_fail(EXIT_UNSUPPORTED, "%s: a prompt cache of version %u, this executable has %u", r->path,
                          h->version, SETUN_CACHE_VERSION);
    }
    if (h->bytes != bytes) return damaged(r, "its size", bytes, h->bytes);
    if (memchr(h->model, 0, sizeof h->model) == NULL) return damaged(r, "the last byte of its model's name", 1, 0);
    if (memcmp(&h->origin, &e->origin.ids, sizeof h->origin) != 0) return other_model(e, r, h);
    if (h->block_bytes != e->block_bytes) return damaged(r, "the size of a block", h->block_bytes, e->block_bytes);
    if (!file_bytes(&wanted, h->positions, h->block_bytes) || wanted != bytes) {
        return damaged(r, "its size", bytes, wanted);
    }
    return EXIT_OK;
}

/* The first `keep` ids into the session, the others read past; all are tokens, and zeroes follow them. */
static int read_ids(struct setun_session *s, struct reader *r, const struct setun_cache_head *h, uint32_t keep) {
    uint64_t end = ids_bytes(h->positions) / 4;
    uint32_t some[1024];
    for (uint64_t at = 0; at < end;) {
        uint64_t n = end - at < 1024 ? end - at : 1024;
        int code = read_exactly(r, some, 4 * n);
        if (code != EXIT_OK) return code;
        for (uint64_t i = 0; i < n; i++, at++) {
            if (at >= h->positions && some[i] != 0) return damaged(r, "a byte behind its tokens", some[i], 0);
            if (some[i] >= s->e->vocab) return damaged(r, "a token", some[i], s->e->vocab - 1);
            if (at < keep) s->ids[at] = some[i];
        }
    }
    return EXIT_OK;
}

static int read_blocks(struct setun_session *s, struct reader *r, const struct setun_cache_head *h, uint32_t keep) {
    uint64_t kept = blocks_of(keep) * h->block_bytes, rest = blocks_of(h->positions) * h->block_bytes - kept;
    uint8_t some[4096];
    int code = read_exactly(r, s->e->state, kept);
    while (code == EXIT_OK && rest > 0) {
        uint64_t n = rest < sizeof some ? rest : sizeof some;
        code = read_exactly(r, some, n);
        rest -= n;
    }
    return code;
}

static int load(struct setun_session *s, struct reader *r, uint64_t bytes) {
    struct setun_cache_head h = {.magic = 0};
    int code = read_exactly(r, &h, bytes < sizeof h ? bytes : sizeof h);
    if (code == EXIT_OK) code = check_head(s->e, r, &h, bytes);
    if (code != EXIT_OK) return code;
    uint64_t most = s->room < s->e->context ? s->room : s->e->context;
    uint32_t keep = h.positions < most ? h.positions : (uint32_t)most;
    hash_head(&r->hash, &h);
    code = read_ids(s, r, &h, keep);
    if (code == EXIT_OK) code = read_blocks(s, r, &h, keep);
    if (code != EXIT_OK) return code;
    uint64_t hash = setun_hash_end(&r->hash);
    if (hash != h.hash) return damaged(r, "its hash", hash, h.hash);
    s->n = s->held = keep;
    s->dirty = h.positions; /* the last block may have more rows than `keep` */
    return EXIT_OK;
}

int setun_cache_load(struct setun_session *s, const char *path) {
    if (!s->e->state) return setun_fail(EXIT_UNSUPPORTED, "--prompt-cache: only executables have caches to keep");
    struct reader r = {.path = path, .fd = open(path, O_RDONLY | O_CLOEXEC)};
    struct stat st;
    if (r.fd < 0 && errno == ENOENT) return EXIT_OK;
    if (r.fd < 0) return setun_fail(EXIT_IO, "%s: cannot be opened: %s", path, strerror(errno));
    setun_hash_init(&r.hash);
    int code = EXIT_OK;
    if (fstat(r.fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        code = setun_fail(EXIT_IO, "%s: a prompt cache is a regular file", path);
    } else if (st.st_size > 0) {
        code = load(s, &r, (uint64_t)st.st_size);
    }
    close(r.fd);
    return code;
}

/* ---- writing ---- */

/* After a step back, the last block has rows of positions that are no longer held: it is computed again from zeroes. */
static int seal(struct setun_session *s) {
    uint32_t held = s->held, from = held / SETUN_BLOCK * SETUN_BLOCK;
    if (from == held || s->dirty <= held) return EXIT_OK;
    memset(s->e->state + from / SETUN_BLOCK * s->e->block_bytes, 0, s->e->block_bytes);
    struct setun_out *logits = s->feed.logits;
    s->feed.logits = NULL;
    int code = setun_feed_tokens(&s->feed, s->ids + from, held - from, from, false, NULL, NULL);
    s->feed.logits = logits;
    if (code == EXIT_OK) s->dirty = held;
    return code;
}

int setun_cache_save(struct setun_session *s, struct setun_out *out) {
    const struct setun_engine *e = s->e;
    int code = seal(s);
    if (code != EXIT_OK) return code;
    struct setun_cache_head h = {.magic = SETUN_CACHE_MAGIC,
                                 .version = SETUN_CACHE_VERSION,
                                 .positions = s->held,
                                 .origin = e->origin.ids,
                                 .block_bytes = e->block_bytes};
    size_t name = strlen(e->origin.name);
    memcpy(h.model, e->origin.name, name < sizeof h.model ? name : sizeof h.model - 1);
    uint64_t ids = 4 * (uint64_t)s->held, pad = ids_bytes(s->held) - ids;
    uint64_t state = blocks_of(s->held) * e->block_bytes;
    static const uint8_t zero[64];
    struct setun_hasher hash;
    file_bytes(&h.bytes, s->held, e->block_bytes); /* the engine holds as much: it fits */
    hash_head(&hash, &h);
    setun_hash_add(&hash, s->ids, ids);
    setun_hash_add(&hash, zero, pad);
    setun_hash_add(&hash, e->state, state);
    h.hash = setun_hash_end(&hash);
    setun_out_write(out, &h, sizeof h);
    setun_out_write(out, s->ids, ids);
    setun_out_write(out, zero, pad);
    setun_out_write(out, e->state, state);
    return setun_out_flush(out);
}
