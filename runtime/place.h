/*
 * place.h -- where weights lie: asked for ahead of their use, copied to memory near the threads that read them, told.
 */
#ifndef SETUN_RUNTIME_PLACE_H
#define SETUN_RUNTIME_PLACE_H

#include "runtime/cmd.h"
#include "runtime/engine.h"
#include "runtime/team.h"

/* Asks the kernel for the data section ahead of its use, each thread for a part; returns early when a signal came. */
void setun_pack_populate(const struct setun_mapped_pack *p, struct setun_team *team);

/* Copies the data section.  The pages that a thread reads are first touched by it.  Refuses, with numbers, to take more
 * memory than there is beside `taken` bytes that others will touch.  Returns an exit code. */
int setun_weights_copy_open(struct setun_weights_copy *c, const struct setun_mapped_pack *p, struct setun_team *team,
                            uint64_t taken);
/* The same for an engine, which reads the copy from then on.  Returns an exit code. */
int setun_native_copy(struct setun_native *n, const struct setun_mapped_pack *p);
void setun_weights_copy_close(struct setun_weights_copy *c); /* also a zeroed one */

/* Lines of `info` about n bytes at `at`: how much is in memory, on which nodes, in huge pages. */
void setun_place_print(struct setun_out *out, const uint8_t *at, uint64_t n);

#endif
