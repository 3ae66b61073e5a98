/*
 * library.c -- see library.h.
 *
 *   code of the model ─┐ ld -r                                 objcopy: only the interface stays global,
 *   libsetun_lib.a ────┼────────────────────────────────────▶  and gets the library's names ──▶ code.o ─┬▶ FILE.a
 *   pcre2, utf8proc ───┘                                                   weights ──▶ pack.o ──────────┴▶ FILE.so
 *
 * So two libraries share no name, and one program can have both.  The header is runtime/lib/lib.h with other names.
 * objcopy is the one that belongs to the linker driver.
 */
#include "tools/library.h"

#include <ctype.h>
#include <string.h>
#include <sys/stat.h>

#include "base/run.h"
#include "ir/ir.h"
#include "tools/ar.h"
#include "tools/packobj.h"
#include "tools/progress.h"

/* runtime/lib/lib.h. */
extern const unsigned char setun_lib_header[];
extern const size_t setun_lib_header_n;

#define LOWER  "setun_lib"
#define UPPER  "SETUN_LIB"
#define FILE_H "setun_lib.h"

/* ---- names ---- */

static bool ends(const char *text, const char *end) {
    size_t n = strlen(text), k = strlen(end);
    return n > k && strcmp(text + n - k, end) == 0;
}

/* What no type can be called, in C or C++ or with the compiler's usual macros, and prefixes of POSIX's own open. */
static bool is_taken(const char *name) {
    static const char words[] =
        " alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t char32_t class "
        "co_await co_return co_yield compl concept const const_cast consteval constexpr constinit continue decltype "
        "default delete do double dynamic_cast else enum explicit export extern false float for friend goto if inline "
        "int long mutable namespace new noexcept not not_eq nullptr operator or or_eq private protected public "
        "register "
        "reinterpret_cast requires restrict return short signed sizeof static static_assert static_cast struct switch "
        "template this thread_local throw true try typedef typeid typename typeof typeof_unqual union unsigned using "
        "virtual void volatile wchar_t while xor xor_eq errno i386 linux unix NULL mq sem shm ";
    size_t n = strlen(name);
    for (const char *at = words; (at = strstr(at, name)) != NULL; at++)
        if (at[-1] == ' ' && at[n] == ' ') return true;
    return false;
}

static bool is_identifier(const char *text) {
    if (!isalpha((unsigned char)*text) || strlen(text) > 64) return false;
    for (; *text; text++)
        if (!isalnum((unsigned char)*text) && *text != '_') return false;
    return true;
}

/* "dir/libmy-model.a": "my-model". */
static const char *stem(struct arena *a, const char *out, size_t suffix) {
    const char *slash = strrchr(out, '/'), *name = slash ? slash + 1 : out;
    size_t n = strlen(name) - suffix;
    if (n > 3 && strncmp(name, "lib", 3) == 0) {
        name += 3;
        n -= 3;
    }
    return arena_strndup(a, name, n);
}

int library_names(struct arena *a, const char *out, const char *prefix, struct library *lib) {
    *lib = (struct library){.out = out, .shared = ends(out, ".so")};
    if (!lib->shared && !ends(out, ".a"))
        return command_usage("build", "a library is called FILE.a or FILE.so, not '%s'", out);
    const char *slash = strrchr(out, '/'), *name = stem(a, out, lib->shared ? 3 : 2);
    lib->header = arena_printf(a, "%.*s%s.h", slash ? (int)(slash - out) + 1 : 0, out, name);
    char *made = arena_strdup(a, prefix ? prefix : name);
    for (char *p = made; !prefix && *p; p++)
        if (!isalnum((unsigned char)*p)) *p = '_';
    lib->prefix = made;
    if (is_identifier(made)) {
        if (!is_taken(made)) return EXIT_OK;
        return command_usage("build", "'%s' means something else in C; --prefix gives another", made);
    }
    if (prefix) return command_usage("build", "--prefix takes a name of C with at most 64 characters, not '%s'", made);
    return command_usage("build", "'%s' makes no prefix for names of C; --prefix gives one", name);
}

/* The functions of the interface, by the names that they have in the runtime. */
typedef VEC(const char *) name_list;

static void list_functions(struct arena *a, name_list *names) {
    const char *at = (const char *)setun_lib_header, *end = at + setun_lib_header_n;
    bool comment = false;
    for (const char *p = at; p < end; p++) {
        if (p[0] == '/' && p[1] == '*') comment = true;
        if (p[0] == '*' && p[1] == '/') comment = false;
        if (comment || strncmp(p, LOWER "_", strlen(LOWER) + 1) != 0) continue;
        size_t n = strspn(p, "abcdefghijklmnopqrstuvwxyz_");
        if (p[n] == '(') *vec_push(a, names) = arena_strndup(a, p, n);
        p += n - 1;
    }
}

static char *renamed(struct arena *a, const struct library *lib, const char *name) {
    return arena_printf(a, "%s%s", lib->prefix, name + strlen(LOWER));
}

/* ---- the header ---- */

static void print_numbers(struct buf *out, const char *upper, const struct ir_module *m, uint64_t id) {
    const struct ir_op *emit = NULL;
    for (size_t i = 0; i < m->funcs.n; i++)
        if (m->funcs.at[i]->entry) emit = ir_emitted(m->funcs.at[i]);
    bool logits = strcmp(ir_name_attr(emit, IR_ATTR_name), "logits") == 0;
    buf_printf(out, "/* Model '%s', compiled by setun %s. */\n", m->name, SETUN_VERSION);
    buf_printf(out, "#define %s_ID      0x%016llxull\n", upper, (unsigned long long)id);
    buf_printf(out, "#define %s_VOCAB   %uu /* tokens are less than this */\n", upper, m->vocab);
    buf_printf(out, "#define %s_CONTEXT %uu /* tokens of a sequence that the model was made for */\n", upper,
               m->context);
    buf_printf(out, "#define %s_OUTPUT  %lluu /* floats: %s */", upper,
               (unsigned long long)ir_type_elems(&emit->in[0]->type),
               logits ? "logits of the next token" : "the vector of a sequence, at its last token");
}

/* The runtime's own header, word by word. */
static void print_header(struct arena *a, struct buf *out, const struct library *lib, const struct ir_module *m,
                         uint64_t id) {
    static const char numbers[] = "/* numbers */";
    const char *at = (const char *)setun_lib_header, *end = at + setun_lib_header_n;
    const char *slash = strrchr(lib->header, '/');
    char *upper = arena_strdup(a, lib->prefix);
    for (char *p = upper; *p; p++) *p = (char)toupper((unsigned char)*p);
    while (at < end) {
        if (strncmp(at, FILE_H, strlen(FILE_H)) == 0) {
            buf_printf(out, "%s", slash ? slash + 1 : lib->header);
            at += strlen(FILE_H);
        } else if (strncmp(at, LOWER, strlen(LOWER)) == 0) {
            buf_printf(out, "%s", lib->prefix);
            at += strlen(LOWER);
        } else if (strncmp(at, UPPER, strlen(UPPER)) == 0) {
            buf_printf(out, "%s", upper);
            at += strlen(UPPER);
        } else if (strncmp(at, numbers, strlen(numbers)) == 0) {
            print_numbers(out, upper, m, id);
            at += strlen(numbers);
        } else {
            buf_put(out, at++, 1);
        }
    }
}

/* ---- the code ---- */

#define ADD(words, ...) link_word(cx->arena, words, __VA_ARGS__)

static bool run(struct command_ctx *cx, link_words *w) { return link_run(cx->diag, cx->arena, w, DIAG_LIBRARY_FAILED); }

/* What the driver calls one of its programs, or that name. */
static const char *driver_program(struct command_ctx *cx, const struct link_options *link, const char *name) {
    const char *said;
    link_words w = {0};
    link_driver(cx->arena, link, &w);
    ADD(&w, "-print-prog-name=%s", name);
    *vec_push(cx->arena, &w) = NULL;
    return run_program(cx->diag, cx->arena, w.at, &said) && !strpbrk(said, " \n") ? said : name;
}

/* Which objcopy knows the target's objects shows when it is run: a driver for several families may name one that is for
 * this machine's only. */
enum { MAX_OBJCOPY = 4 };

static size_t find_objcopy(struct command_ctx *cx, const struct link_options *link, const char *found[MAX_OBJCOPY]) {
    if (link->objcopy) {
        found[0] = link->objcopy;
        return 1;
    }
    found[0] = driver_program(cx, link, "objcopy");
    found[1] = arena_printf(cx->arena, "%s-objcopy", link->target.gnu);
    found[2] = driver_program(cx, link, "llvm-objcopy");
    found[3] = "llvm-objcopy";
    return MAX_OBJCOPY;
}

/* Model and runtime as one object: of the archives the members that the interface needs.  Leaving out sections of those
 * too would save 0.2 %, and not all linkers do it in a partial link. */
static bool join(struct command_ctx *cx, const struct link_options *link, const name_list *names, const char *object,
                 const char *out) {
    link_words w = {0};
    const char *runtime;
    if (!link_begin(cx->diag, cx->arena, link, &w, &runtime)) return false;
    ADD(&w, "-r");
    ADD(&w, "-nostdlib");
    for (size_t i = 0; i < names->n; i++) ADD(&w, "-Wl,-u,%s", names->at[i]);
    ADD(&w, "-o");
    ADD(&w, "%s", out);
    ADD(&w, "%s", object);
    ADD(&w, "%s/libsetun_lib.a", runtime);
    link_folders(cx->arena, &w, link, runtime);
    ADD(&w, "-Wl,-Bstatic");
    ADD(&w, "-lpcre2-8");
    ADD(&w, "-lutf8proc");
    return run(cx, &w);
}

/* Two runs, because names that are kept are the old ones to some programs and the new ones to others. */
static bool rename_symbols(struct command_ctx *cx, const struct link_options *link, const struct library *lib,
                           const name_list *names, const char *in, const char *out) {
    const char *objcopy[MAX_OBJCOPY], *half = arena_printf(cx->arena, "%s.half", out);
    static const char *const data[] = {LOWER "_pack", LOWER "_pack_end"};
    link_words keep[MAX_OBJCOPY] = {{0}}, redefine = {0};
    size_t n = find_objcopy(cx, link, objcopy), good;
    for (size_t k = 0; k < n; k++) {
        ADD(&keep[k], "%s", objcopy[k]);
        for (size_t i = 0; i < names->n; i++) ADD(&keep[k], "--keep-global-symbol=%s", names->at[i]);
        ADD(&keep[k], "%s", in);
        ADD(&keep[k], "%s", half);
    }
    if (!link_run_any(cx->diag, cx->arena, keep, n, DIAG_LIBRARY_FAILED, &good)) return false;
    ADD(&redefine, "%s", objcopy[good]);
    for (size_t i = 0; i < names->n; i++)
        ADD(&redefine, "--redefine-sym=%s=%s", names->at[i], renamed(cx->arena, lib, names->at[i]));
    for (size_t i = 0; i < COUNT_OF(data); i++)
        ADD(&redefine, "--redefine-sym=%s=%s", data[i], renamed(cx->arena, lib, data[i]));
    ADD(&redefine, "%s", half);
    ADD(&redefine, "%s", out);
    return run(cx, &redefine);
}

/* ---- the library ---- */

struct job {
    struct command_ctx *cx;
    const struct library *lib;
    const struct pack_source *pack;
    uint64_t id;
    const struct link_options *link;
    const name_list *names;
    const char *code; /* the object of the code */
    struct progress bar;
};

static bool put_pack(struct job *j, struct out *o) {
    return packobj_write(j->cx->diag, o, j->pack, j->id, j->lib->prefix, j->code, progress_show, &j->bar);
}

static bool write_archive(struct job *j, struct out *o) {
    struct ar ar = {.diag = j->cx->diag, .out = o};
    struct arena *a = j->cx->arena;
    for (size_t i = 0; i < j->names->n; i++) ar_symbol(a, &ar, renamed(a, j->lib, j->names->at[i]), 0);
    ar_symbol(a, &ar, arena_printf(a, "%s_pack", j->lib->prefix), 1);
    ar_symbol(a, &ar, arena_printf(a, "%s_pack_end", j->lib->prefix), 1);
    return ar_begin(&ar) && ar_member(&ar, "code.o") && out_append_file(o, j->code) &&
           ar_align(&ar, SETUN_PACK_ALIGN) && ar_member(&ar, "pack.o") && put_pack(j, o) && ar_end(&ar);
}

static bool write_file(struct command_ctx *cx, const char *path, const struct buf *text) {
    struct out *o = out_open(cx->diag, path, false);
    if (!o) return false;
    if (out_write(o, text->at, text->n)) return out_commit(o);
    out_discard(o);
    return false;
}

/* The linker wants files: a list of what the library exports, and the object with the weights. */
static bool write_exports(struct job *j, const char *path) {
    struct buf text = {0};
    buf_printf(&text, "{\n  global:\n");
    for (size_t i = 0; i < j->names->n; i++)
        buf_printf(&text, "    %s;\n", renamed(j->cx->arena, j->lib, j->names->at[i]));
    buf_printf(&text, "  local: *;\n};\n");
    bool ok = write_file(j->cx, path, &text);
    buf_free(&text);
    return ok;
}

static bool write_pack(struct job *j, const char *path) {
    struct out *o = out_open(j->cx->diag, path, false);
    if (!o) return false;
    if (put_pack(j, o)) return out_commit(o);
    out_discard(o);
    return false;
}

/* Behind everything else, so that nothing has to reach across more than 2 GiB.  Where a linker puts large sections well
 * by itself, or knows no such script, it does without. */
static bool write_place(struct job *j, const char *path) {
    struct buf text = {0};
    buf_printf(&text, "SECTIONS { .setun.pack : { *(.lrodata.setun .rodata.setun) } } INSERT AFTER .bss;\n");
    bool ok = write_file(j->cx, path, &text);
    buf_free(&text);
    return ok;
}

static bool write_shared(struct job *j, struct out *o) {
    struct command_ctx *cx = j->cx;
    struct arena *a = cx->arena;
    const char *dir = tmp_dir(cx->diag), *slash = strrchr(j->lib->out, '/');
    const char *exports = arena_printf(a, "%s/exports", dir), *place = arena_printf(a, "%s/place", dir);
    const char *pack = arena_printf(a, "%s/pack.o", dir), *made = arena_printf(a, "%s/shared", dir), *runtime;
    link_words way[2] = {{0}, {0}};
    size_t good;
    if (!write_exports(j, exports) || !write_place(j, place) || !write_pack(j, pack)) return false;
    for (int i = 0; i < 2; i++) {
        link_words *w = &way[i];
        if (!link_begin(cx->diag, a, j->link, w, &runtime)) return false;
        ADD(w, "-shared");
        ADD(w, "-Wl,-Bsymbolic");
        ADD(w, "-Wl,--version-script=%s", exports);
        ADD(w, "-Wl,--no-undefined");
        ADD(w, "-Wl,-z,noexecstack");
        ADD(w, "-Wl,-soname,%s", slash ? slash + 1 : j->lib->out);
        if (i > 0) ADD(w, "-Wl,-T,%s", place);
        ADD(w, "-o");
        ADD(w, "%s", made);
        ADD(w, "%s", j->code);
        ADD(w, "%s", pack);
        link_folders(cx->arena, w, j->link, runtime);
        ADD(w, "-lm");
        ADD(w, "-lpthread");
    }
    return link_run_any(cx->diag, a, way, 2, DIAG_LIBRARY_FAILED, &good) && out_append_file(o, made);
}

bool library_write(struct command_ctx *cx, const struct library *lib, const struct link_options *link,
                   const struct pack_source *p, uint64_t id, const char *object, bool quiet, out_list *outputs) {
    name_list names = {0};
    struct buf text = {0};
    const char *dir = tmp_dir(cx->diag);
    if (!dir) return false;
    const char *joined = arena_printf(cx->arena, "%s/joined.o", dir), *code = arena_printf(cx->arena, "%s/code.o", dir);
    struct job j = {.cx = cx, .lib = lib, .pack = p, .id = id, .link = link, .names = &names, .code = code};
    list_functions(cx->arena, &names);
    if (!join(cx, link, &names, object, joined)) return false;
    if (!rename_symbols(cx, link, lib, &names, joined, code)) return false;
    struct out *header = out_add(cx->diag, cx->arena, outputs, lib->header, false);
    struct out *o = header ? out_add(cx->diag, cx->arena, outputs, lib->out, lib->shared) : NULL;
    if (!o) return false;
    print_header(cx->arena, &text, lib, p->module, id);
    progress_start(&j.bar, "weights", quiet);
    bool ok = out_write(header, text.at, text.n) && (lib->shared ? write_shared(&j, o) : write_archive(&j, o));
    buf_free(&text);
    return ok;
}
