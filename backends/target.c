/* target.c -- the families of machines, and the one at hand. */
#include "backends/target.h"

#include <string.h>

#include "backends/arm/arm.h"
#include "backends/x86/x86.h"

const struct cg_target *const cg_targets[] = {&x86_target, &arm_target};
const unsigned cg_n_targets = COUNT_OF(cg_targets);

bool target_is_host(const struct cg_target *t) {
#if defined(__x86_64__)
    return t == &x86_target;
#elif defined(__aarch64__)
    return t == &arm_target;
#else
    return !t;
#endif
}

bool target_runs(const struct cg_target *t, const struct cg_level *l) {
    return target_is_host(t) && (t->host_features() & l->needs) == l->needs;
}

const struct cg_target *target_host(void) {
    for (unsigned i = 0; i < cg_n_targets; i++)
        if (target_is_host(cg_targets[i])) return cg_targets[i];
    return cg_targets[0];
}

const struct cg_target *target_find(struct diag *d, const char *name) {
    const char *all[4];
    if (!name) return target_host();
    if (cg_n_targets > COUNT_OF(all)) BUG("more than %d targets", (int)COUNT_OF(all));
    for (unsigned i = 0; i < cg_n_targets; i++) {
        all[i] = cg_targets[i]->name;
        if (!strcmp(all[i], name)) return cg_targets[i];
    }
    const char *near = nearest_name(name, all, cg_n_targets);
    char hint[64] = "";
    if (near) snprintf(hint, sizeof hint, ", did you mean '%s'?", near);
    diag_in(d, NULL, DIAG_TARGET_UNKNOWN, name, hint);
    return NULL;
}
