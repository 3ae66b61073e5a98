/*
 * driver.c -- what a library promises, seen from a program (library.py compiles it with -DP=PREFIX -DU=PREFIX in
 * capitals -DHEADER="PREFIX.h", and wraps the allocator).
 *
 *   driver THREADS COUNT TEMPERATURE TOP_P PENALTY FILE TOKEN...   goes on from tokens: ids on a line, logits to FILE
 *   driver                                                         checks; prints what does not hold
 *   driver modes                                                   of these only those of floating-point modes
 */
#include <errno.h>
#include <fenv.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include HEADER

#define CAT_(a, b) a##_##b
#define CAT(a, b)  CAT_(a, b)
#define F(name)    CAT(P, name)
#define C(name)    CAT(U, name)

typedef struct P handle;
typedef struct F(sampling) sampling;
typedef struct F(options) options;

static int failures;
#define EXPECT(x) ((x) ? 1 : (failures++, printf("%s:%d: %s\n", __FILE__, __LINE__, #x), 0))

/* ---- allocations ---- */

static int counted;
static long allocations, fails_at; /* that one fails; 0: none does */
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t k);
void *__real_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t align, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t k);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t align, size_t n);
static int fails(void) {
    allocations += counted;
    if (!counted || allocations != fails_at) return 0;
    errno = ENOMEM;
    return 1;
}
void *__wrap_malloc(size_t n) { return fails() ? NULL : __real_malloc(n); }
void *__wrap_calloc(size_t n, size_t k) { return fails() ? NULL : __real_calloc(n, k); }
void *__wrap_realloc(void *p, size_t n) { return fails() ? NULL : __real_realloc(p, n); }
void *__wrap_aligned_alloc(size_t align, size_t n) { return fails() ? NULL : __real_aligned_alloc(align, n); }

/* ---- the mode of floating point: a host's own, as far from the contract's as it gets ---- */

#if defined(__x86_64__)
#include <immintrin.h>
static unsigned long mode(void) { return _mm_getcsr(); }
static void strange(void) { _mm_setcsr(0x9fc0 | 0x4000); } /* flushes both ways, rounds upward, a sticky flag */
static void usual(void) { _mm_setcsr(0x1f80); }
#elif defined(__aarch64__)
static unsigned long mode(void) {
    unsigned long m, flags;
    __asm__ volatile("mrs %0, fpcr\n\tmrs %1, fpsr" : "=r"(m), "=r"(flags));
    return flags << 32 | m;
}
static void set(unsigned long m, unsigned long flags) {
    __asm__ volatile("msr fpcr, %0\n\tmsr fpsr, %1" : : "r"(m), "r"(flags));
}
static void strange(void) { set(1ul << 24 | 1ul << 22, 2); } /* flushes, rounds upward, a sticky flag */
static void usual(void) { set(0, 0); }
#endif

/* ---- going on from tokens ---- */

static handle *open_with(uint32_t threads, uint32_t context) {
    char why[256];
    handle *h;
    options o = {.threads = threads, .context = context};
    if (F(open)(&o, &h, why, sizeof why) == C(OK)) return h;
    printf("open: %s\n", why);
    exit(1);
}

static void go_on(handle *h, const sampling *how, int count, uint32_t *ids) {
    for (int i = 0; i < count; i++) {
        if (!EXPECT(F(sample)(h, how, &ids[i]) == C(OK))) return;
        if (i + 1 < count && !EXPECT(F(step)(h, ids[i]) == C(OK))) return;
    }
}

static int write_all(char **argv, int n) {
    uint32_t tokens[64], id;
    sampling how = {.temperature = strtof(argv[3], NULL),
                    .top_k = 40,
                    .top_p = strtof(argv[4], NULL),
                    .min_p = 0.05f,
                    .repeat_penalty = strtof(argv[5], NULL),
                    .repeat_last = 64,
                    .seed = 7};
    handle *h = open_with((uint32_t)atoi(argv[1]), 0);
    FILE *logits = strcmp(argv[6], "-") ? fopen(argv[6], "wb") : NULL;
    for (int i = 0; i < n; i++) tokens[i] = (uint32_t)atoi(argv[7 + i]);
    EXPECT(F(prefill)(h, tokens, (size_t)n) == C(OK));
    for (int i = 0; i < atoi(argv[2]); i++) {
        if (i > 0) EXPECT(F(step)(h, id) == C(OK));
        if (logits) fwrite(F(output)(h), sizeof(float), C(OUTPUT), logits);
        if (!EXPECT(F(sample)(h, &how, &id) == C(OK))) break;
        printf("%s%u", i ? " " : "", id);
    }
    printf("\n");
    if (logits) fclose(logits);
    F(close)(h);
    return failures > 0;
}

/* ---- checks ---- */

static const uint32_t PROMPT[] = {5, 3, 1, 2, 7, 4, 6, 9, 8, 5, 3};
enum { N = sizeof PROMPT / sizeof *PROMPT, MORE = 20 };

static void check_open(void) {
    handle *h = (handle *)&failures;
    char why[256] = "x";
    options level = {.level = "nonsense"}, large = {.context = UINT32_MAX};
    EXPECT(F(open)(NULL, NULL, why, sizeof why) == C(ARGUMENT) && why[0]);
    EXPECT(F(open)(&level, &h, why, sizeof why) == C(ARGUMENT) && !h && strstr(why, "'nonsense'"));
    EXPECT(F(open)(&level, &h, NULL, 100) == C(ARGUMENT));
    EXPECT(F(open)(&large, &h, why, 10) == C(MEMORY) && !h && strlen(why) == 9);
    F(close)(NULL);
    EXPECT(F(id)() == C(ID) && F(vocab)() == C(VOCAB) && F(outputs)() == C(OUTPUT) && strstr(F(version)(), "setun "));
    EXPECT(F(step)(NULL, 1) == C(ARGUMENT) && F(length)(NULL) == 0);
    h = open_with(1000000, 8);
    EXPECT(F(threads)(h) >= 1 && F(threads)(h) < 100000 && F(context)(h) == 8);
    F(close)(h);
    options few = {.context = 64}, many = {.context = 6400};
    EXPECT(F(memory)(&few) > 0 && F(memory)(&many) > F(memory)(&few) && F(memory)(&large) == 0);
}

static void check_refusals(void) {
    handle *h = open_with(0, 16);
    uint32_t id = 1, bad = C(VOCAB), long_one[17] = {0};
    sampling wrong = {.temperature = -1, .top_p = 1, .repeat_penalty = 1};
    EXPECT(F(sample)(h, NULL, &id) == C(EMPTY) && *F(message)(h));
    EXPECT(F(output)(h) == NULL);
    EXPECT(F(prefill)(h, NULL, 1) == C(ARGUMENT) && F(prefill)(h, &id, 0) == C(ARGUMENT));
    EXPECT(F(step)(h, bad) == C(ARGUMENT) && F(step)(h, UINT32_MAX) == C(ARGUMENT) && F(length)(h) == 0);
    EXPECT(F(prefill)(h, long_one, 17) == C(FULL) && F(prefill)(h, long_one, SIZE_MAX) == C(FULL));
    EXPECT(F(length)(h) == 0);
    EXPECT(F(prefill)(h, long_one, 16) == C(OK) && F(length)(h) == 16 && !*F(message)(h));
    EXPECT(F(step)(h, 0) == C(FULL) && strstr(F(message)(h), "context of 16"));
    EXPECT(F(sample)(h, NULL, &id) == C(OK) && id < C(VOCAB)); /* the last token's logits are still there */
    EXPECT(F(sample)(h, NULL, NULL) == C(ARGUMENT) && F(sample)(h, &wrong, &id) == C(ARGUMENT));
    wrong = (sampling){.temperature = 1, .top_p = __builtin_nanf(""), .repeat_penalty = 1};
    EXPECT(F(sample)(h, &wrong, &id) == C(ARGUMENT) && strstr(F(message)(h), "top_p"));
    F(close)(h);
}

static void check_text(void) {
    handle *h = open_with(1, 0);
    uint32_t tokens[8];
    size_t n = 9;
    char text[64];
    if (F(token_bytes)(h) == 0) { /* no tokenizer */
        EXPECT(F(encode)(h, "a", 1, 0, tokens, 8, &n) == C(LACKS) && n == 0);
        EXPECT(F(decode)(h, 0, text, sizeof text, &n) == C(LACKS) && !F(is_end)(h, 0));
        F(close)(h);
        return;
    }
    size_t said = 0;
    for (uint32_t id = 5; id < 12; id++) /* a text that it has tokens for */
        EXPECT(F(decode)(h, id, text + said, sizeof text - said, &n) == C(OK) && (said += n) > 0);
    EXPECT(F(encode)(h, text, said, C(BEGIN), tokens, 2, &n) == C(ROOM) && n > 2 && n <= 8);
    EXPECT(F(encode)(h, text, said, C(BEGIN), tokens, 8, &n) == C(OK) && n > 2);
    EXPECT(F(encode)(h, NULL, 1, 0, tokens, 8, &n) == C(ARGUMENT));
    EXPECT(F(encode)(h, text, 1, 8, tokens, 8, &n) == C(ARGUMENT));
    EXPECT(F(encode)(h, NULL, 0, 0, NULL, 0, &n) == C(OK) && n == 0);
    for (uint32_t id = 0; id < C(VOCAB); id++) {
        EXPECT(F(decode)(h, id, NULL, 0, &n) == (n ? C(ROOM) : C(OK)) && n <= F(token_bytes)(h));
        EXPECT(F(decode)(h, id, text, n, &n) == C(OK));
    }
    EXPECT(F(decode)(h, C(VOCAB), text, sizeof text, &n) == C(ARGUMENT) && n == 0);
    F(close)(h);
}

/* Sampled twice, or with others in between, a token is the same. */
static void check_sampling(void) {
    const sampling how[] = {{.temperature = 0, .top_p = 1, .repeat_penalty = 1},
                            {.temperature = 1, .top_k = 5, .top_p = 1, .repeat_penalty = 1.5f, .repeat_last = 8},
                            {.temperature = 1, .top_p = 0.9f, .repeat_penalty = 1},
                            {.temperature = 2, .top_p = 1, .min_p = 0.01f, .repeat_penalty = 0.5f, .repeat_last = 4}};
    handle *h = open_with(0, 0), *each = open_with(0, 0);
    sampling again = {.top_p = 1, .repeat_last = 6};
    uint32_t one = 1, two;
    for (int i = 0; i < 60; i++) { /* a penalty changes what a screened step leaves */
        again.repeat_penalty = i % 2 ? 0.8f : 1.0f + 0.05f * (float)i;
        EXPECT(F(step)(h, one) == C(OK) && F(step)(each, one) == C(OK) && F(output)(each) != NULL);
        EXPECT(F(sample)(h, &again, &two) == C(OK) && F(sample)(h, &again, &one) == C(OK) && one == two);
        EXPECT(F(sample)(each, &again, &two) == C(OK) && one == two);
    }
    EXPECT(F(reset)(h) == C(OK) && F(reset)(each) == C(OK));
    for (int i = 0; i < 12; i++) {
        EXPECT(F(prefill)(h, PROMPT + i % N, 1) == C(OK) && F(prefill)(each, PROMPT + i % N, 1) == C(OK));
        uint32_t a[4], b;
        for (int k = 0; k < 4; k++) EXPECT(F(sample)(h, &how[k], &a[k]) == C(OK));
        for (int k = 4; k-- > 0;) EXPECT(F(sample)(h, &how[k], &b) == C(OK) && a[k] == b);
        EXPECT(F(sample)(each, &how[i % 4], &b) == C(OK) && a[i % 4] == b);
    }
    F(close)(h);
    F(close)(each);
}

static void check_modes(void) {
    float want[C(OUTPUT)];
    uint32_t ids[MORE], same[MORE];
    const sampling how = {.temperature = 1, .top_p = 0.9f, .min_p = 0.01f, .repeat_penalty = 1};
    handle *h = open_with(2, 0);
    EXPECT(F(prefill)(h, PROMPT, N) == C(OK));
    memcpy(want, F(output)(h), sizeof want);
    go_on(h, &how, MORE, ids);
    F(close)(h);
    strange();
    unsigned long before = mode();
    h = open_with(2, 0);
    EXPECT(mode() == before);
    EXPECT(F(prefill)(h, PROMPT, N) == C(OK) && mode() == before);
    EXPECT(memcmp(want, F(output)(h), sizeof want) == 0 && mode() == before);
    go_on(h, &how, MORE, same);
    EXPECT(memcmp(ids, same, sizeof ids) == 0 && mode() == before);
    EXPECT(F(step)(h, C(VOCAB)) == C(ARGUMENT) && F(sample)(h, &how, NULL) == C(ARGUMENT) && mode() == before);
    EXPECT(F(restore)(h, ids, sizeof ids) == C(STATE) && F(rewind)(h, 3) == C(OK) && mode() == before);
    options wrong = {.level = "nonsense"};
    handle *none;
    EXPECT(F(open)(&wrong, &none, NULL, 0) == C(ARGUMENT) && mode() == before);
    F(close)(h);
    EXPECT(mode() == before);
    usual();
}

static void *alone(void *arg) {
    handle *h = open_with(2, 0);
    for (int i = 0; i < 20; i++) {
        EXPECT(F(prefill)(h, PROMPT, N) == C(OK));
        go_on(h, NULL, MORE, arg);
        EXPECT(F(reset)(h) == C(OK));
    }
    F(close)(h);
    return NULL;
}

/* Handles know nothing of each other. */
static void check_handles(void) {
    uint32_t one[MORE], many[3][MORE];
    pthread_t t[3];
    alone(one);
    for (int i = 0; i < 3; i++) pthread_create(&t[i], NULL, alone, many[i]);
    for (int i = 0; i < 3; i++) {
        pthread_join(t[i], NULL);
        EXPECT(memcmp(one, many[i], sizeof one) == 0);
    }
}

static void check_memory(void) {
    handle *h = open_with(0, 0);
    size_t room = (size_t)F(state_bytes)(h, N + MORE), n;
    uint32_t ids[MORE];
    void *state = malloc(room);
    const sampling how = {.temperature = 1, .top_p = 0.9f, .min_p = 0.01f, .repeat_penalty = 1.1f, .repeat_last = 8};
    counted = 1;
    EXPECT(F(prefill)(h, PROMPT, N) == C(OK));
    go_on(h, &how, MORE, ids);
    EXPECT(F(save)(h, state, room, &n) == C(OK) && F(restore)(h, state, n) == C(OK) && F(reset)(h) == C(OK));
    counted = 0;
    EXPECT(allocations == 0);
    free(state);
    F(close)(h);
}

/* Each allocation of open and encode fails in turn. */
static void check_no_memory(void) {
    handle *h;
    char why[256];
    size_t n;
    uint32_t tokens[8];
    counted = 1;
    for (long i = 1;; i++) {
        allocations = 0;
        fails_at = i;
        options o = {.threads = 2};
        int code = F(open)(&o, &h, why, sizeof why);
        if (code == C(OK)) break;
        EXPECT(code == C(MEMORY) && !h && allocations >= i && strstr(why, "memory"));
    }
    EXPECT(allocations > 5 && allocations < fails_at);
    for (long i = 1; F(token_bytes)(h) > 0; i++) {
        allocations = 0;
        fails_at = i;
        int code = F(encode)(h, "Aa aa\n", 6, 0, tokens, 8, &n);
        if (code == C(OK) || code == C(TEXT)) break; /* the miniature has no tokens for it */
        EXPECT(code == C(MEMORY) && n == 0 && allocations >= i && strstr(F(message)(h), "memory"));
    }
    counted = 0;
    fails_at = 0;
    F(close)(h);
}

/* A child has the handle, but not its threads. */
static void check_fork(void) {
    for (uint32_t threads = 1; threads <= 2; threads++) {
        handle *h = open_with(threads, 0);
        EXPECT(F(prefill)(h, PROMPT, N) == C(OK));
        pid_t child = fork();
        if (child == 0) {
            uint32_t id;
            alarm(20);
            int want = F(threads)(h) > 1 ? C(ARGUMENT) : C(OK);
            EXPECT(F(step)(h, 1) == want && F(rewind)(h, 1) == want && F(length)(h) == (want ? (uint32_t)N : 1));
            EXPECT(F(sample)(h, NULL, &id) == C(OK) || *F(message)(h)); /* of a screened head all are asked for */
            EXPECT(F(reset)(h) == C(OK));
            F(close)(h);
            h = open_with(2, 0);
            EXPECT(F(prefill)(h, PROMPT, N) == C(OK));
            F(close)(h);
            fflush(stdout);
            _exit(failures > 0);
        }
        int status = -1;
        EXPECT(waitpid(child, &status, 0) == child && status == 0);
        EXPECT(F(step)(h, 1) == C(OK));
        F(close)(h);
    }
}

/* Back to n tokens: the same bytes as if there had never been more. */
static void check_rewind(void) {
    enum { ALL = 200 };
    handle *h = open_with(2, ALL), *plain = open_with(1, ALL);
    size_t room = (size_t)F(state_bytes)(h, ALL), n, k;
    uint8_t *a = malloc(room), *b = malloc(room);
    static const uint32_t back[] = {ALL, 199, 130, 129, 128, 127, 65, 64, 63, 1, 0};
    for (size_t i = 0; i < sizeof back / sizeof *back; i++) {
        for (uint32_t p = F(length)(h); p < ALL; p++) EXPECT(F(step)(h, PROMPT[(p + 3 * i) % N]) == C(OK));
        EXPECT(F(rewind)(h, ALL + 1) == C(ARGUMENT) && F(length)(h) == ALL);
        EXPECT(F(rewind)(h, back[i]) == C(OK) && F(length)(h) == back[i]);
        EXPECT(F(save)(h, a, room, &n) == C(OK));
        EXPECT(back[i] == 0 || F(output)(h) != NULL);
        /* the same tokens, as the state has them */
        EXPECT(F(reset)(plain) == C(OK));
        if (back[i]) EXPECT(F(prefill)(plain, (const uint32_t *)(const void *)(a + 128), back[i]) == C(OK));
        EXPECT(F(save)(plain, b, room, &k) == C(OK) && n == k && memcmp(a, b, n) == 0);
    }
    free(a);
    free(b);
    F(close)(h);
    F(close)(plain);
}

/* The same tokens give the same bytes, and what is saved goes on where it was, in another handle too. */
static void check_state(void) {
    handle *h = open_with(2, 0), *other = open_with(1, 70), *small = open_with(1, N - 1);
    size_t bytes = (size_t)F(state_bytes)(h, N), n = 0, k = 0;
    uint8_t *a = malloc(bytes + 1), *b = malloc(bytes + 1);
    uint32_t want[MORE], got[MORE];
    float output[C(OUTPUT)];
    EXPECT(F(save)(h, a, bytes, &n) == C(OK) && n == F(state_bytes)(h, 0)); /* nothing yet */
    EXPECT(F(restore)(h, a, n) == C(OK) && F(length)(h) == 0);
    EXPECT(F(prefill)(h, PROMPT, N) == C(OK));
    EXPECT(F(save)(h, NULL, 0, &n) == C(ROOM) && n == bytes);
    EXPECT(F(save)(h, a + 1, bytes, &n) == C(OK) && n == bytes);
    memcpy(output, F(output)(h), sizeof output);
    for (int i = 0; i < N + 9; i++) EXPECT(F(step)(other, PROMPT[i * 7 % N]) == C(OK));
    EXPECT(F(reset)(other) == C(OK) && F(length)(other) == 0);
    for (int i = 0; i < N; i++) EXPECT(F(step)(other, PROMPT[i]) == C(OK));
    EXPECT(F(save)(other, b + 1, bytes, &k) == C(OK) && k == n && memcmp(a + 1, b + 1, n) == 0);
    go_on(h, NULL, MORE, want);
    EXPECT(F(restore)(other, a + 1, n) == C(OK) && F(length)(other) == N);
    EXPECT(memcmp(output, F(output)(other), sizeof output) == 0);
    go_on(other, NULL, MORE, got);
    EXPECT(memcmp(want, got, sizeof want) == 0);
    /* What is refused leaves all as it was. */
    EXPECT(F(restore)(other, a + 1, n) == C(OK));
    EXPECT(F(restore)(small, a + 1, n) == C(STATE) && F(length)(small) == 0);
    for (size_t i = 0; i < n; i += i < 256 ? 1 : 397) {
        memcpy(b, a + 1, n);
        b[i] ^= (uint8_t)(1u << i % 8);
        if (!EXPECT(F(restore)(other, b, n) == C(STATE))) break;
    }
    for (size_t i = 0; i < n; i += i < 256 ? 1 : 397) EXPECT(F(restore)(other, a + 1, i) == C(STATE));
    EXPECT(F(restore)(other, NULL, 0) == C(ARGUMENT));
    EXPECT(F(length)(other) == N);
    go_on(other, NULL, MORE, got);
    EXPECT(memcmp(want, got, sizeof want) == 0);
    free(a);
    free(b);
    F(close)(h);
    F(close)(other);
    F(close)(small);
}

int main(int argc, char **argv) {
    if (argc == 2) return check_modes(), failures > 0;
    if (argc > 1) return write_all(argv, argc - 7);
    check_open();
    check_refusals();
    check_text();
    check_sampling();
    check_modes();
    check_handles();
    check_memory();
    check_no_memory();
    check_fork();
    check_state();
    check_rewind();
    return failures > 0;
}
