/* links: setun_rt_main */
/*
 * rt_place_test -- a copy of weights is equal to them, byte for byte, with any number of threads; an engine that is
 * asked for one reads it instead of the file; what is too large is refused.
 */
#include "test/unit/expect.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/place.h"
#include "runtime/rt.h"

/* A pack in memory that is shared like a file's: three layers of trits with scales, a vector, bytes behind them. */
enum { DATA = 40 << 20, STRIDE = 9 << 20, N = 2 };

struct made {
    struct setun_mapped_pack p;
    uint8_t *at;
    uint64_t bytes;
};

static struct made make(void) {
    struct made m = {.bytes = (64 << 10) + DATA};
    int fd = memfd_create("pack", 0);
    if (!EXPECT(fd >= 0) || !EXPECT(ftruncate(fd, (off_t)m.bytes) == 0)) exit(1);
    m.at = mmap(NULL, m.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (!EXPECT(m.at != MAP_FAILED)) exit(1);
    close(fd);
    struct setun_pack *head = (struct setun_pack *)m.at;
    struct setun_tensor *t = (struct setun_tensor *)(m.at + 4096);
    head->data = (struct setun_span){.offset = 64 << 10, .bytes = DATA - 37};
    head->section[SETUN_SEC_TENSORS] = (struct setun_span){.offset = 4096, .bytes = N * sizeof *t + 2};
    t[0] = (struct setun_tensor){.offset = 64,
                                 .layer_stride = STRIDE,
                                 .scale_offset = 64 + (8 << 20) + 4096,
                                 .name = N * sizeof *t,
                                 .name_bytes = 1,
                                 .layout = SETUN_LAYOUT_I2_64,
                                 .layers = 3,
                                 .rank = 2,
                                 .dim = {64, 64},
                                 .n_scales = 1};
    t[1] = (struct setun_tensor){.offset = 3 * STRIDE + 128,
                                 .name = N * sizeof *t + 1,
                                 .name_bytes = 1,
                                 .layout = SETUN_LAYOUT_F32,
                                 .store = 1,
                                 .rank = 1,
                                 .dim = {100}};
    memcpy(m.at + 4096 + N * sizeof *t, "ab", 2);
    uint64_t x = 1;
    for (uint64_t i = 0; i < DATA; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        m.at[(64 << 10) + i] = (uint8_t)(x >> 56);
    }
    m.p = (struct setun_mapped_pack){.head = head, .bytes = m.bytes, .data = m.at + (64 << 10), .path = "made"};
    return m;
}

static void test_equal(const struct made *m) {
    for (uint32_t n = 1; n <= 5; n++) {
        struct setun_team *team;
        struct setun_weights_copy c;
        if (!EXPECT(setun_team_open(&team, n, NULL) == EXIT_OK)) return;
        setun_pack_populate(&m->p, team);
        if (EXPECT(setun_weights_copy_open(&c, &m->p, team, 0) == EXIT_OK)) {
            EXPECT(c.at != m->p.data && (uintptr_t)c.at % 64 == 0);
            EXPECT(memcmp(c.at, m->p.data, m->p.head->data.bytes) == 0);
            EXPECT(c.bytes >= m->p.head->data.bytes + 64);
        }
        setun_weights_copy_close(&c);
        setun_team_close(team);
    }
}

static void test_too_large(const struct made *m) {
    struct setun_team *team;
    struct setun_weights_copy c;
    if (!EXPECT(setun_team_open(&team, 1, NULL) == EXIT_OK)) return;
    EXPECT(setun_weights_copy_open(&c, &m->p, team, UINT64_MAX) == EXIT_MEMORY && c.at == NULL);
    setun_weights_copy_close(&c);
    setun_team_close(team);
}

/* What the code is given. */
static const uint8_t *given;
static void look(struct setun_step *s, uint32_t tid) {
    if (tid == 0) given = s->weights;
}

static void test_used(const struct made *m) {
    const struct setun_level level = {.name = "any", .step = look};
    const struct setun_model model = {
        .abi = SETUN_ABI, .vocab = 2, .context = 8, .max_rows = 2, .arena_bytes = 64, .name = "m", .compiler = "c"};
    struct setun_native_config config = {
        .model = &model, .level = &level, .weights = m->p.data, .threads = 2, .context = 8};
    for (int copy = 0; copy < 2; copy++) {
        struct setun_native n = {0};
        struct setun_row row = {.live = 1};
        if (!EXPECT(setun_native_open(&n, &config) == EXIT_OK)) return;
        if (copy) EXPECT(setun_native_copy(&n, &m->p) == EXIT_OK);
        EXPECT(n.e.step(&n.e, &row, 1) == EXIT_OK);
        EXPECT((given == m->p.data) == !copy);
        EXPECT(memcmp(given, m->p.data, m->p.head->data.bytes) == 0);
        setun_native_close(&n);
    }
}

int main(void) {
    struct made m = make();
    test_equal(&m);
    test_too_large(&m);
    test_used(&m);
    munmap(m.at, m.bytes);
    return expect_end();
}
