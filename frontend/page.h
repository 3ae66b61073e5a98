/*
 * page.h -- pages: model texts that come with the compiler, and which of them a checkpoint is a model of.
 *
 * A page's section `serves` names architectures and activations; what remains is tried: a page fits if it loads
 * without an error and leaves no tensor unused.  There is no list of model families in C.
 */
#ifndef SETUN_FRONTEND_PAGE_H
#define SETUN_FRONTEND_PAGE_H

#include "base/diag.h"
#include "base/str.h"
#include "frontend/files/config.h"
#include "frontend/frontend.h"

struct page {
    const char *name; /* its file without .stn */
    const char *text;
    size_t n;
};

struct page_found {
    const struct page *page;
    const char *why; /* "config.json: ARCHITECTURE" */
};

/*
 * The one page that the checkpoint in->weights fits; in->model and in->text are not looked at.  false: reported, with a
 * reason for each page.  found lies in in->arena.
 */
bool page_choose(const struct frontend_input *in, const struct page *pages, size_t n, struct page_found *found);
/* By name; NULL: reported, with the nearest. */
const struct page *page_named(struct diag *d, const struct page *pages, size_t n, const char *name);

/*
 * The text with every config value it has written as its default: `hidden : int;` becomes `hidden : int = 2560;`.
 * Formatted; comments stay.  file: what messages call the text.  false: reported.
 */
bool page_fill(struct diag *d, const char *file, const char *text, size_t n, const struct config_values *values,
               struct buf *out);

#endif
