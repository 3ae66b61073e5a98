/* packobj.h -- an object file around the pack, written as a stream: a library's weights. */
#ifndef SETUN_TOOLS_PACKOBJ_H
#define SETUN_TOOLS_PACKOBJ_H

#include "tools/packfile.h"

/*
 * Writes the object at the end of o, at a multiple of SETUN_PACK_ALIGN.  It is for the machine of the object file
 * `like`, and its symbols PREFIX_pack and PREFIX_pack_end are for the library's own code.  progress may be NULL.
 */
bool packobj_write(struct diag *d, struct out *o, const struct pack_source *p, uint64_t id, const char *prefix,
                   const char *like, void (*progress)(void *self, uint64_t done, uint64_t all), void *self);

#endif
