/* jit.c -- see jit.h. */
#include "test/unit/jit.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/unit/jit_request.h"

/* Where nothing else lies, with and without sanitizers; the file is sparse. */
#define MEMORY ((uint8_t *)0x200000000000)
enum { MEMORY_BYTES = 1 << 30 };

static const struct emulated {
    const char *cpu, *target, *emulator, *cc, *option;
    uint32_t features;
} emulated[] = {
    {"cortex-a53", "aarch64", "qemu-aarch64", "aarch64-linux-gnu-gcc", "cortex-a53", SETUN_F_NEON},
    {"cortex-a76", "aarch64", "qemu-aarch64", "aarch64-linux-gnu-gcc", "cortex-a76", SETUN_F_NEON | SETUN_F_DOTPROD},
    {"max", "aarch64", "qemu-aarch64", "aarch64-linux-gnu-gcc", "max,sve=off,pauth-impdef=on",
     SETUN_F_NEON | SETUN_F_DOTPROD | SETUN_F_I8MM},
};

static void stop(const char *what, const char *name) {
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

bool jit_runs(const struct jit *j, const struct cg_level *l) {
    const struct cg_level *best = j->target->levels;
    while ((j->features & best->needs) != best->needs) best++;
    return j->cpu ? l == best : (j->features & l->needs) == l->needs;
}

LLVMValueRef jit_export(LLVMValueRef fn) {
    LLVMSetLinkage(fn, LLVMExternalLinkage);
    return fn;
}

/* ---- a program under an emulator ---- */

/* What the module defines for others. */
static void note_names(struct jit *j, LLVMModuleRef m) {
    for (LLVMValueRef f = LLVMGetFirstFunction(m); f; f = LLVMGetNextFunction(f)) {
        size_t n;
        if (LLVMIsDeclaration(f) || LLVMGetLinkage(f) != LLVMExternalLinkage) continue;
        const char *name = LLVMGetValueName2(f, &n);
        *vec_push(j->arena, &j->names) = arena_strndup(j->arena, name, n);
    }
}

static void write_table(const struct jit *j, const char *path) {
    FILE *f = fopen(path, "w");
    if (!f) stop("no file", path);
    for (size_t i = 0; i < j->names.n; i++)
        fprintf(f, "extern void f%d(void) __asm__(\"%s\");\n", (int)i, j->names.at[i]);
    fprintf(f, "void (*const jit_functions[])(void) = {");
    for (size_t i = 0; i < j->names.n; i++) fprintf(f, "f%d, ", (int)i);
    fprintf(f, "0};\n");
    if (fclose(f)) stop("no file", path);
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

static void link_emulated(struct jit *j, const char *object) {
    const struct emulated *e = find(j->cpu);
    const char *table = arena_printf(j->arena, "%s/table.c", j->dir), *program = arena_printf(j->arena, "%s/t", j->dir);
    write_table(j, table);
    if (system(arena_printf(j->arena, "%s -O1 -static -o %s %s %s %s", e->cc, program, JIT_SERVER, table, object)))
        exit(1);
    run_server(j, e, program);
}

static uint64_t ask(const struct jit *j, const struct jit_request *r) {
    uint64_t result;
    if (write(j->to, r, sizeof *r) != (ssize_t)sizeof *r || read(j->from, &result, sizeof result) != sizeof result)
        stop("the emulated program ended in", r->function ? j->names.at[r->function - 1] : "setting up memory");
    return result;
}

/* ---- code ---- */

static void link_here(struct jit *j, const char *object) {
    const char *so = arena_printf(j->arena, "%s/t.so", j->dir), *cc = getenv("CC");
    if (system(arena_printf(j->arena, "%s -shared -o %s %s", cc && *cc ? cc : "cc", so, object))) exit(1);
    j->so = dlopen(so, RTLD_NOW);
    if (!j->so) stop("dlopen:", dlerror());
}

void jit_link(struct jit *j, struct cg *c) {
    const char *object = arena_printf(j->arena, "%s/t.o", j->dir);
    note_names(j, c->module);
    if (!cg_write_object(c, object)) exit(1);
    if (j->cpu)
        link_emulated(j, object);
    else
        link_here(j, object);
}

void *jit_symbol(const struct jit *j, const char *name) {
    void *p = j->cpu ? NULL : dlsym(j->so, name);
    for (size_t i = 0; j->cpu && !p && i < j->names.n; i++)
        if (!strcmp(j->names.at[i], name)) p = (void *)(uintptr_t)(i + 1);
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

void jit_end(struct jit *j) {
    int status;
    if (j->cpu) {
        close(j->to), close(j->from);
        if (waitpid(j->server, &status, 0) != j->server || status) stop("the emulated program failed:", j->cpu);
    } else {
        dlclose(j->so);
    }
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

static void guard(const struct jit *j, uint64_t from, uint64_t n, bool closed) {
    uint8_t *p = j->memory + from;
    struct jit_request r = {JIT_GUARD, {JIT_P(p), n, closed}};
    if (mprotect(p, n, closed ? PROT_NONE : PROT_READ | PROT_WRITE) || (j->cpu && ask(j, &r))) stop("no guard", "");
}

void *jit_take_guarded(struct jit *j, uint64_t bytes) {
    j->used = pages(j->used);
    uint64_t end = j->used + pages(bytes);
    jit_take(j, pages(bytes) + JIT_PAGE);
    guard(j, end, JIT_PAGE, true);
    return j->memory + end - bytes;
}

void jit_release(struct jit *j, uint64_t mark) {
    uint64_t from = pages(mark);
    if (pages(j->used) > from) guard(j, from, pages(j->used) - from, false);
    j->used = mark;
}
