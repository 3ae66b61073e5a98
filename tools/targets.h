/* targets.h -- which machines a build is for: the value of --target. */
#ifndef SETUN_TOOLS_TARGETS_H
#define SETUN_TOOLS_TARGETS_H

#include "backends/backend.h"
#include "tools/command.h"

typedef VEC(struct backend_target) target_list;

/* "NAME" or "NAME,NAME"; NULL: that of the machine at hand.  false: reported. */
bool targets_read(struct command_ctx *cx, const char *text, target_list *list);

#endif
