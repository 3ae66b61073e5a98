/* jit.c -- see jit.h. */
#include "test/unit/jit.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "test/unit/jit_request.h"

/* Where nothing else lies, with and without sanitizers; the file is sparse. */
#define MEMORY ((uint8_t *)0x200000000000)
enum { MEMORY_BYTES = 1 << 30 };

/* CPUs of other families: what they have, and how the family's emulator is started as one of them. */
static const struct emulated {
    const char *cpu, *target, *emulator, *option;
    uint32_t features;
} emulated[] = {
    {"cortex-a53", "aarch64", "qemu-aarch64", "cortex-a53", SETUN_F_NEON},
    {"cortex-a76", "aarch64", "qemu-aarch64", "cortex-a76", SETUN_F_NEON | SETUN_F_DOTPROD},
    {"max", "aarch64", "qemu-aarch64", "max,sve=off,pauth-impdef=on", SETUN_F_NEON | SETUN_F_DOTPROD | SETUN_F_I8MM},
};

NORETURN static void stop(const char *what, const char *name) {
    fprintf(stderr, "%s %s\n", what, name);
    exit(1);
}

static const struct emulated *find(const char *cpu) {
    for (size_t i = 0; cpu && i < COUNT_OF(emulated); i++)
        if (!strcmp(emulated[i].cpu, cpu)) return &emulated[i];
    if (cpu) stop("no such CPU:", cpu);
    return NULL;
}

static const char *memory_path(const struct jit *j) { return arena_printf(j->arena, "%s/memory", j->dir); }

void jit_start(struct jit *j, const char *cpu) {
    const struct emulated *e = find(cpu);
    *j = (struct jit){.arena = arena_new(), .cpu = cpu};
    j->diag = diag_new(j->arena, stderr);
    j->dir = tmp_dir(j->diag);
    if (!j->dir) exit(1);
    j->target = e ? target_find(j->diag, e->target) : target_host();
    j->features = e ? e->features : j->target->host_features();
    int fd = open(memory_path(j), O_RDWR | O_CREAT, 0600);
    if (fd < 0 || ftruncate(fd, MEMORY_BYTES)) stop("no file", memory_path(j));
    j->memory = mmap(MEMORY, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
    if (j->memory != MEMORY) stop("no memory to share:", memory_path(j));
    close(fd);
}

static bool runs(const struct jit *j, const struct cg_level *l) { return (j->features & l->needs) == l->needs; }

const struct cg_level *jit_level(const struct jit *j, const struct cg_level *after) {
    const struct cg_level *l = after ? after + 1 : j->target->levels, *end = j->target->levels + j->target->n_levels;
    if (after && j->cpu) return NULL;
    while (l < end && !runs(j, l)) l++;
    return l < end ? l : NULL;
}

LLVMValueRef jit_export(LLVMValueRef fn) {
    LLVMSetLinkage(fn, LLVMExternalLinkage);
    return fn;
}

/* ---- a program under an emulator ---- */

static void command(const char *text) {
    if (system(text)) stop("failed:", text);
}

/* What a command prints. */
static char *output_of(struct jit *j, const char *text) {
    struct buf all = {0};
    char part[4096];
    FILE *f = popen(text, "r");
    for (size_t n; f && (n = fread(part, 1, sizeof part, f)) > 0;) buf_printf(&all, "%.*s", (int)n, part);
    if (!f || pclose(f)) stop("failed:", text);
    char *copy = arena_strndup(j->arena, all.at, all.n);
    buf_free(&all);
    return copy;
}

static void run_server(struct jit *j, const struct emulated *e, const char *program) {
    int request[2], result[2];
    const char *at = arena_printf(j->arena, "%p", (void *)j->memory), *n = arena_printf(j->arena, "%d", MEMORY_BYTES);
    if (pipe2(request, O_CLOEXEC) || pipe2(result, O_CLOEXEC)) stop("no pipes for", program);
    j->to = request[1], j->from = result[0];
    j->server = fork();
    if (j->server == 0) {
        dup2(request[0], 0), dup2(result[1], 1);
        execlp(e->emulator, e->emulator, "-cpu", e->option, program, memory_path(j), at, n, (char *)NULL);
        _exit(127);
    }
    close(request[0]), close(result[1]);
}

/* What of the program is the same for all code. */
static const char *compile_server(struct jit *j) {
    const char *server = arena_printf(j->arena, "%s/server.o", j->dir), *unit = JIT_ROOT "/test/unit";
    if (j->links == 1)
        command(arena_printf(j->arena, "%s-gcc -O1 -r -nostdlib -D_GNU_SOURCE -I%s -o %s %s/jit_server.c %s/team.c",
                             j->target->gnu, JIT_ROOT, server, unit, unit));
    return server;
}

static void open_emulated(struct jit *j, const char *object) {
    const struct emulated *e = find(j->cpu);
    const char *program = arena_printf(j->arena, "%s/t%u", j->dir, j->links);
    command(arena_printf(j->arena, "%s-ld -shared --no-undefined -o %s.so %s", j->target->gnu, program, object));
    command(arena_printf(j->arena, "%s-gcc -static -pthread -o %s %s %s", j->target->gnu, program, compile_server(j),
                         object));
    j->symbols = output_of(j, arena_printf(j->arena, "%s-nm %s", j->target->gnu, program));
    run_server(j, e, program);
}

static void close_emulated(struct jit *j) {
    int status;
    close(j->to), close(j->from);
    if (waitpid(j->server, &status, 0) != j->server || status) stop("the emulated program failed:", j->cpu);
}

/* nm prints lines "00000000004006d4 T name", for what is seen from outside with a capital letter. */
static void *emulated_symbol(const struct jit *j, const char *name) {
    const char *end = arena_printf(j->arena, " %s\n", name);
    for (const char *p = j->symbols; (p = strstr(p, end)); p++)
        if (p[-1] < 'a') return (void *)(uintptr_t)strtoull(p - 18, NULL, 16);
    return NULL;
}

static uint64_t ask(const struct jit *j, const struct jit_request *r) {
    uint64_t result;
    if (write(j->to, r, sizeof *r) == (ssize_t)sizeof *r && read(j->from, &result, sizeof result) == sizeof result)
        return result;
    const char *line = strstr(j->symbols, arena_printf(j->arena, "%016llx T ", (unsigned long long)r->function));
    stop("the emulated program ended in", line ? arena_printf(j->arena, "%.60s", line + 19) : "setting up");
}

/* ---- code ---- */

static void open_here(struct jit *j, const char *object) {
    const char *so = arena_printf(j->arena, "%s/t%u.so", j->dir, j->links), *cc = getenv("CC");
    command(
        arena_printf(j->arena, "%s -shared -nostdlib -Wl,--no-undefined -o %s %s", cc && *cc ? cc : "cc", so, object));
    j->so = dlopen(so, RTLD_NOW | RTLD_LOCAL);
    if (!j->so) stop("dlopen:", dlerror());
}

static void close_linked(struct jit *j) {
    if (!j->links) return;
    if (j->cpu)
        close_emulated(j);
    else
        dlclose(j->so);
}

void jit_link_object(struct jit *j, const char *object) {
    close_linked(j);
    j->links++;
    if (j->cpu)
        open_emulated(j, object);
    else
        open_here(j, object);
}

void jit_link(struct jit *j, struct cg *c) {
    const char *object = arena_printf(j->arena, "%s/t.o", j->dir);
    if (!cg_write_object(c, object)) exit(1);
    jit_link_object(j, object);
}

void *jit_symbol(const struct jit *j, const char *name) {
    void *p = j->cpu ? emulated_symbol(j, name) : dlsym(j->so, name);
    if (!p) stop("no symbol", name);
    return p;
}

uint64_t jit_call_n(const struct jit *j, void *fn, const uint64_t *args, unsigned n) {
    typedef uint64_t function(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                              uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);
    struct jit_request r = {.function = (uintptr_t)fn};
    const uint64_t *a = r.arg;
    function *here;
    if (n > JIT_ARGS) stop("too many arguments", "");
    memcpy(r.arg, args, n * sizeof *args);
    if (j->cpu) return ask(j, &r);
    *(void **)&here = fn; /* what takes fewer arguments does not look at the others */
    return here(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], a[10], a[11], a[12], a[13]);
}

void *jit_here(void (*f)(void)) {
    void *p;
    memcpy(&p, &f, sizeof p);
    return p;
}

void jit_read(struct jit *j, void *to, const void *from, uint64_t n) {
    uint64_t mark = jit_mark(j);
    void *seen = j->cpu ? jit_take(j, n) : NULL;
    if (seen) jit_call(j, jit_symbol(j, "jit_copy"), JIT_P(seen), JIT_P(from), n);
    memcpy(to, seen ? seen : from, n);
    jit_release(j, mark);
}

void jit_end(struct jit *j) {
    for (unsigned l = 0; !j->cpu && l < j->target->n_levels; l++)
        if (!runs(j, &j->target->levels[l])) printf("SKIP: %s, which this machine lacks\n", j->target->levels[l].name);
    close_linked(j);
    munmap(j->memory, MEMORY_BYTES);
    arena_free(j->arena);
}

/* ---- memory ---- */

void *jit_take(struct jit *j, uint64_t bytes) {
    uint8_t *p = j->memory + j->used;
    j->used += (bytes + 63) / 64 * 64;
    if (j->used > MEMORY_BYTES) stop("too little memory", "");
    return p;
}

static uint64_t pages(uint64_t n) { return (n + JIT_PAGE - 1) / JIT_PAGE * JIT_PAGE; }

static void protect(const struct jit *j, uint64_t from, uint64_t n, int protection) {
    uint8_t *p = j->memory + from;
    if (mprotect(p, n, protection)) stop("no guard", "");
    if (j->cpu && jit_call(j, jit_symbol(j, "jit_protect"), JIT_P(p), n, (uint64_t)protection))
        stop("no guard", "there");
}

void *jit_take_guarded(struct jit *j, uint64_t bytes) {
    j->used = pages(j->used);
    uint64_t end = j->used + pages(bytes);
    jit_take(j, pages(bytes) + JIT_PAGE);
    protect(j, end, JIT_PAGE, PROT_NONE);
    j->guards = true;
    return j->memory + end - bytes;
}

void jit_release(struct jit *j, uint64_t mark) {
    uint64_t from = pages(mark);
    if (j->guards && pages(j->used) > from) protect(j, from, pages(j->used) - from, PROT_READ | PROT_WRITE);
    j->used = mark;
}
