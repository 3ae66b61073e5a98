/*
 * page.c -- see page.h.
 *
 *   names     architecture and activation of the checkpoint against `serves`: what is left are candidates
 *   trial     each candidate is loaded with an engine that keeps messages; the first error is the reason
 *   verdict   one fits: taken.  Otherwise every page is listed; a lone candidate's own errors are told instead
 */
#include "frontend/page.h"

#include <stdlib.h>
#include <string.h>

#include "frontend/sema.h"
#include "lang/lang.h"

struct trial {
    const struct page *page;
    struct sema_serves serves;
    bool candidate, fits;
    const char *reason; /* why it does not fit; NULL: it does */
};

struct chooser {
    const struct frontend_input *in;
    const struct page *pages;
    size_t n;
    struct trial *trial;
    const char *file, *arch, *act; /* of the checkpoint; arch and act may be NULL */
};

/* ---- an engine whose messages are kept ---- */

struct quiet {
    FILE *stream;
    char *text;
    size_t n;
    struct arena *arena;
    struct diag *diag;
};

static void quiet_open(struct quiet *q) {
    *q = (struct quiet){.arena = arena_new()};
    q->stream = open_memstream(&q->text, &q->n);
    if (!q->stream) arena_no_memory(1);
    q->diag = diag_new(q->arena, q->stream);
}

static void quiet_close(struct quiet *q) {
    fclose(q->stream);
    free(q->text);
    arena_free(q->arena);
}

/* The first error, on one line. */
static const char *first_error(struct quiet *q, struct arena *a) {
    fflush(q->stream);
    const char *at = q->text ? strstr(q->text, "error: ") : NULL;
    if (!at) return "it does not load";
    while (at > q->text && at[-1] != '\n') at--;
    return arena_strndup(a, at, strcspn(at, "\n"));
}

/* ---- names ---- */

/* "a, b or c"; NULL without any. */
static const char *list_names(struct arena *a, const char *const *names, size_t n, const char *last) {
    const char *text = n ? "" : NULL;
    for (size_t i = 0; i < n; i++)
        text = arena_printf(a, "%s%s%s", text, i == 0 ? "" : i + 1 == n ? last : ", ", names[i]);
    return text;
}

/* Parses the page and compares names; what they do not rule out is a candidate. */
static void compare_names(struct chooser *c, struct trial *t) {
    struct arena *a = c->in->arena;
    uint32_t file = diag_add_text(c->in->diag, t->page->name, t->page->text, t->page->n);
    const struct ast_model *ast = lang_parse(c->in->diag, a, names_new(a), file, t->page->text, t->page->n);
    if (!ast) BUG("page '%s'", t->page->name);
    t->serves = sema_serves(a, ast);
    const struct sema_serves *s = &t->serves;
    if (!sema_serves_one(s->arch.at, s->arch.n, c->arch))
        t->reason = arena_printf(a, "is for %s", list_names(a, s->arch.at, s->arch.n, " and "));
    else if (!sema_serves_one(s->act.at, s->act.n, c->act))
        t->reason = arena_printf(a, "has the activation %s, %s says %s", list_names(a, s->act.at, s->act.n, " or "),
                                 c->file, c->act);
    t->candidate = !t->reason;
}

/* ---- trial ---- */

static const char *text_of_unused(struct arena *a, size_t n, const char *first) {
    return arena_printf(a, "it leaves %zu tensors unused, '%s' is the first", n, first);
}

/* Loads the page as for a build. */
static void try_page(struct chooser *c, struct trial *t) {
    struct arena *a = c->in->arena;
    struct quiet q;
    struct frontend_model f;
    const char *first;
    quiet_open(&q);
    struct frontend_input in = *c->in;
    in.diag = q.diag;
    in.arena = q.arena;
    in.names = names_new(q.arena);
    in.model = t->page->name;
    in.text = t->page->text;
    in.n_text = t->page->n;
    size_t unused = 0;
    if (!frontend_load(&in, &f))
        t->reason = first_error(&q, a);
    else if ((unused = checkpoint_unused(f.checkpoint, t->serves.ignore.at, t->serves.ignore.n, &first)))
        t->reason = text_of_unused(a, unused, first);
    t->fits = !t->reason;
    frontend_close(&f);
    quiet_close(&q);
}

/* ---- verdict ---- */

static void note_near(struct chooser *c, const char *where) {
    VEC(const char *) all = {0};
    for (size_t i = 0; i < c->n; i++)
        for (size_t k = 0; k < c->trial[i].serves.arch.n; k++)
            *vec_push(c->in->arena, &all) = c->trial[i].serves.arch.at[k];
    const char *near = nearest_name(c->arch, all.at, all.n);
    for (size_t i = 0; near && i < c->n; i++) {
        const struct sema_serves *s = &c->trial[i].serves;
        if (!s->arch.n || !sema_serves_one(s->arch.at, s->arch.n, near)) continue;
        diag_note_in(c->in->diag, where, "page %s is for %s: --model %s takes it", c->pages[i].name, near,
                     c->pages[i].name);
        return;
    }
}

static void note_pages(struct chooser *c, const char *where) {
    for (size_t i = 0; i < c->n; i++)
        diag_note_in(c->in->diag, where, "page %s: %s", c->pages[i].name,
                     c->trial[i].reason ? c->trial[i].reason : "fits");
    if (c->arch) note_near(c, where);
}

/* The errors of the only page it can be. */
static bool tell_errors(struct chooser *c, const struct trial *t) {
    struct frontend_input in = *c->in;
    struct frontend_model f;
    const char *first;
    in.model = t->page->name;
    in.text = t->page->text;
    in.n_text = t->page->n;
    bool loads = frontend_load(&in, &f);
    size_t unused = loads ? checkpoint_unused(f.checkpoint, t->serves.ignore.at, t->serves.ignore.n, &first) : 0;
    if (unused) diag_in(c->in->diag, c->in->weights, DIAG_PAGE_LEAVES, t->page->name, unused, first, t->page->name);
    frontend_close(&f);
    return false;
}

static bool tell(struct chooser *c, size_t candidates, size_t fits) {
    const struct trial *only = NULL;
    bool known = !c->arch; /* some page is for the architecture, so something else is wrong */
    for (size_t i = 0; i < c->n; i++) {
        const struct sema_serves *s = &c->trial[i].serves;
        if (c->trial[i].candidate) only = &c->trial[i];
        known |= sema_serves_one(s->arch.at, s->arch.n, c->arch);
    }
    if (fits > 1)
        diag_in(c->in->diag, c->in->weights, DIAG_PAGES_FIT, fits);
    else if (candidates == 1)
        return tell_errors(c, only);
    else if (candidates == 0 && !known)
        diag_in(c->in->diag, c->in->weights, DIAG_NO_PAGE_ARCH, c->arch, c->file);
    else
        diag_in(c->in->diag, c->in->weights, DIAG_NO_PAGE);
    note_pages(c, c->in->weights);
    return false;
}

/* What the checkpoint calls itself.  What is wrong with its files is told by opening it once more. */
static bool read_names(struct chooser *c) {
    struct quiet q;
    quiet_open(&q);
    struct checkpoint *cp = checkpoint_open(q.diag, q.arena, c->in->weights, &c->in->dialect);
    if (cp) {
        const struct config_values *v = checkpoint_config(cp);
        const char *path = v->path ? v->path : c->in->weights, *slash = strrchr(path, '/');
        c->file = arena_strdup(c->in->arena, slash ? slash + 1 : path);
        c->arch = v->arch ? arena_strdup(c->in->arena, v->arch) : NULL;
        c->act = v->hidden_act ? arena_strdup(c->in->arena, v->hidden_act) : NULL;
    }
    bool ok = cp != NULL;
    checkpoint_close(cp);
    quiet_close(&q);
    if (!ok) checkpoint_close(checkpoint_open(c->in->diag, c->in->arena, c->in->weights, &c->in->dialect));
    return ok;
}

bool page_choose(const struct frontend_input *in, const struct page *pages, size_t n, struct page_found *found) {
    struct chooser c = {.in = in, .pages = pages, .n = n, .trial = arena_array(in->arena, struct trial, n)};
    size_t candidates = 0, fits = 0;
    *found = (struct page_found){0};
    if (!read_names(&c)) return false;
    for (size_t i = 0; i < n; i++) {
        struct trial *t = &c.trial[i];
        t->page = &pages[i];
        compare_names(&c, t);
        candidates += t->candidate;
        if (t->candidate) try_page(&c, t);
        fits += t->fits;
        if (t->fits) *found = (struct page_found){.page = t->page};
    }
    if (fits != 1) return tell(&c, candidates, fits);
    found->why = arena_printf(in->arena, c.arch ? "%s: %s" : "%s", c.file, c.arch);
    return true;
}

const struct page *page_named(struct diag *d, const struct page *pages, size_t n, const char *name) {
    const char *names[64] = {0};
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(pages[i].name, name) == 0) return &pages[i];
        if (k < COUNT_OF(names)) names[k++] = pages[i].name;
    }
    const char *near = nearest_name(name, names, k);
    diag_in(d, NULL, DIAG_NO_SUCH_PAGE, name);
    if (near)
        diag_note_in(d, NULL, "did you mean '%s'?", near);
    else
        for (size_t i = 0; i < k; i++) diag_note_in(d, NULL, "there is '%s'", names[i]);
    return NULL;
}
