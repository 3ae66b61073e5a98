/*
 * ar.h -- an archive of a few objects, written as a stream: a member may be larger than memory.
 *
 * Transparent.  Symbols first, then begin, members in order, end.
 */
#ifndef SETUN_TOOLS_AR_H
#define SETUN_TOOLS_AR_H

#include "base/arena.h"
#include "base/file.h"

enum { AR_MEMBERS = 2 };

struct ar_symbol {
    const char *name;
    uint32_t member;
};
struct ar {
    struct diag *diag;
    struct out *out;
    VEC(struct ar_symbol) symbols;
    uint64_t start[AR_MEMBERS]; /* of the members' headers */
    uint32_t n;                 /* members begun */
};

/* A name that linkers find in a member, which is counted from 0. */
void ar_symbol(struct arena *a, struct ar *ar, const char *name, uint32_t member);
bool ar_begin(struct ar *ar);
/* What is written from here on is the member's. */
bool ar_member(struct ar *ar, const char *name);
/* Zero bytes behind the current member, so that the next one's contents begin at a multiple of align. */
bool ar_align(struct ar *ar, uint64_t align);
bool ar_end(struct ar *ar);

#endif
