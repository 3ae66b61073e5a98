/* links: setun_rt_main */
/* rt_pack_test -- a pack built in memory is accepted; with one field wrong, or any byte flipped, it is refused. */
#include "test/unit/expect.h"

#include <stdint.h>
#include <stdlib.h>

#include "runtime/pack.h"

enum { DATA = 4096, BYTES = SETUN_PACK_ALIGN + DATA };
static const struct setun_model model = {.abi = SETUN_ABI, .weight_bytes = DATA, .pack_id = 77};

static void seal(struct setun_pack *p, uint64_t end) {
    p->header_hash =
        setun_hash((uint8_t *)p + offsetof(struct setun_pack, data), end - offsetof(struct setun_pack, data));
}

/* Sections of 100 bytes each 128 apart; returns the end of the last. */
static uint64_t build(struct setun_pack *p) {
    memset(p, 0, BYTES);
    *p = (struct setun_pack){.magic = SETUN_PACK_MAGIC, .abi = SETUN_ABI, .n_sections = SETUN_N_SECTIONS, .id = 77};
    uint64_t at = 192;
    for (int i = 0; i < SETUN_N_SECTIONS; i++) {
        p->section[i] = (struct setun_span){at, 100};
        memset((uint8_t *)p + at, 'a' + i, 100);
        at += 128;
    }
    p->data = (struct setun_span){SETUN_PACK_ALIGN, DATA};
    memset((uint8_t *)p + SETUN_PACK_ALIGN, 7, DATA);
    p->data_hash = setun_hash((uint8_t *)p + SETUN_PACK_ALIGN, DATA);
    seal(p, at - 28);
    return at - 28;
}

static bool accepted(const struct setun_pack *p, uint64_t bytes) {
    char why[256] = "";
    bool ok = setun_pack_check(p, bytes, 77, &model, why, sizeof why);
    EXPECT(ok == (why[0] == 0));
    return ok;
}

static void fields(struct setun_pack *p) {
    uint64_t end;
    build(p);
    EXPECT(accepted(p, BYTES));
    EXPECT(!accepted(p, BYTES - 1) && !accepted(p, 0) && !accepted(p, sizeof *p - 1));
#define REFUSED(change)                                                                                                \
    do {                                                                                                               \
        end = build(p);                                                                                                \
        change;                                                                                                        \
        seal(p, end);                                                                                                  \
        EXPECT(!accepted(p, BYTES));                                                                                   \
    } while (0)
    REFUSED(p->magic++);
    REFUSED(p->abi++);
    REFUSED(p->n_sections = 0);
    REFUSED(p->id++);
    REFUSED(p->data.bytes = UINT64_MAX - 10);
    REFUSED(p->data.offset = UINT64_MAX & ~(uint64_t)65535);
    REFUSED(p->data.offset = 0);
    REFUSED(p->section[2].offset = UINT64_MAX & ~(uint64_t)63);
    REFUSED(p->section[2].bytes = UINT64_MAX);
    REFUSED(p->section[3].offset = p->section[2].offset);
    REFUSED(p->section[0].offset = 0);
    REFUSED(p->section[5].offset += 1);
#undef REFUSED
}

static void flips(struct setun_pack *p) {
    uint64_t end = build(p);
    for (uint64_t i = 0; i < end; i++) {
        ((uint8_t *)p)[i] ^= 0x10;
        bool in_data_hash = i >= offsetof(struct setun_pack, data_hash) && i < offsetof(struct setun_pack, data);
        bool padding = i >= sizeof *p && i < 192;
        EXPECT(accepted(p, BYTES) == in_data_hash || padding);
        ((uint8_t *)p)[i] ^= 0x10;
    }
    struct setun_mapped_pack m = {.head = p, .bytes = BYTES, .data = (uint8_t *)p + SETUN_PACK_ALIGN};
    uint64_t found;
    EXPECT(setun_pack_verify(&m, &found));
    ((uint8_t *)p)[SETUN_PACK_ALIGN + DATA - 1]++;
    EXPECT(!setun_pack_verify(&m, &found));
}

static void footers(void) {
    char why[256];
    struct setun_footer f = {.magic = SETUN_FOOTER_MAGIC, .pack_offset = 65536, .pack_bytes = 1000};
    EXPECT(setun_footer_check(&f, 65536 + 1000 + 64, why, sizeof why));
    EXPECT(!setun_footer_check(&f, 65536 + 1000 + 65, why, sizeof why));
    f.pack_bytes = UINT64_MAX - 65536 - 10;
    EXPECT(!setun_footer_check(&f, 53, why, sizeof why));
    f = (struct setun_footer){.magic = SETUN_FOOTER_MAGIC, .pack_offset = 4096, .pack_bytes = 1000};
    EXPECT(!setun_footer_check(&f, 4096 + 1000 + 64, why, sizeof why));
    f.magic = 0;
    EXPECT(!setun_footer_check(&f, 64, why, sizeof why) && strstr(why, "stripped"));
}

static void hashes(void) {
    static uint8_t bytes[300];
    for (int i = 0; i < 300; i++) bytes[i] = (uint8_t)(i * 7);
    for (uint64_t n = 0; n <= 300; n += 13) {
        uint64_t whole = setun_hash(bytes, n);
        for (uint64_t cut = 0; cut <= n; cut += 5) {
            struct setun_hasher h;
            setun_hash_init(&h);
            setun_hash_add(&h, bytes, cut);
            setun_hash_add(&h, bytes + cut, (n - cut) / 2);
            setun_hash_add(&h, bytes + cut + (n - cut) / 2, n - cut - (n - cut) / 2);
            EXPECT(setun_hash_end(&h) == whole);
        }
        EXPECT(n == 0 || setun_hash(bytes, n - 1) != whole);
    }
    static const uint8_t zero[64];
    EXPECT(setun_hash(zero, 31) != setun_hash(zero, 32)); /* padding does not hide the length */
}

static void tensors(void) {
    struct {
        struct setun_tensor t[2];
        char names[16];
    } s = {.t = {{.name = 160, .name_bytes = 5, .layers = 0, .rank = 2, .offset = 0},
                 {.name = 165, .name_bytes = 11, .layers = 4, .layer_stride = 100, .offset = 64, .rank = 1}}};
    char why[256];
    uint32_t n;
    EXPECT(setun_tensors_check(&s, sizeof s, 1000, &n, why, sizeof why) && n == 2);
    EXPECT(setun_tensors_check(&s, 0, 1000, &n, why, sizeof why) && n == 0);
    s.t[1].layer_stride = UINT64_MAX;
    EXPECT(!setun_tensors_check(&s, sizeof s, 1000, &n, why, sizeof why));
    s.t[1].layer_stride = 1000;
    EXPECT(!setun_tensors_check(&s, sizeof s, 1000, &n, why, sizeof why));
    s.t[1].layer_stride = 100;
    s.t[0].screen_offset = 1001;
    EXPECT(!setun_tensors_check(&s, sizeof s, 1000, &n, why, sizeof why));
    s.t[0].screen_offset = 1000;
    EXPECT(setun_tensors_check(&s, sizeof s, 1000, &n, why, sizeof why));
    s.t[1].name_bytes = 12;
    EXPECT(!setun_tensors_check(&s, sizeof s, 1000, &n, why, sizeof why));
    s.t[0].name = 159;
    EXPECT(!setun_tensors_check(&s, sizeof s, 1000, &n, why, sizeof why));
    s.t[0].name = 80 * 1000;
    EXPECT(!setun_tensors_check(&s, sizeof s, 1000, &n, why, sizeof why));
}

int main(void) {
    struct setun_pack *p = aligned_alloc(65536, 2 * 65536);
    if (!p) return 1;
    fields(p);
    flips(p);
    footers();
    hashes();
    tensors();
    free(p);
    return expect_end();
}
