/* target.c -- the families of machines, and the one at hand. */
#include "backends/target.h"

#include <string.h>

#include "backends/arm/arm.h"
#include "backends/x86/x86.h"

const struct cg_target *const cg_targets[] = {&x86_target, &arm_target};
const unsigned cg_n_targets = COUNT_OF(cg_targets);

bool target_runs(const struct cg_target *t, const struct cg_level *l) {
    return t->host && (t->host_features() & l->needs) == l->needs;
}

const struct cg_target *target_host(void) {
    for (unsigned i = 0; i < cg_n_targets; i++)
        if (cg_targets[i]->host) return cg_targets[i];
    return cg_targets[0];
}

/* ---- by name ---- */

/* What is asked for, and is none of ours. */
static const struct {
    const char *name, *kind;
} others[] = {
    {"arm", "32-bit"},
    {"armel", "32-bit"},
    {"armhf", "32-bit"},
    {"armv6l", "32-bit"},
    {"armv7", "32-bit"},
    {"armv7l", "32-bit"},
    {"aarch32", "32-bit"},
    {"thumb", "32-bit"},
    {"i386", "32-bit"},
    {"i486", "32-bit"},
    {"i586", "32-bit"},
    {"i686", "32-bit"},
    {"x86", "32-bit"},
    {"x32", "32-bit"},
    {"riscv32", "32-bit"},
    {"mipsel", "32-bit"},
    {"wasm32", "32-bit"},
    {"aarch64_32", "32-bit"},
    {"arm64_32", "32-bit"},
    {"ilp32", "32-bit"},
    {"armeb", "big-endian"},
    {"aarch64_be", "big-endian"},
    {"arm64be", "big-endian"},
    {"mips", "big-endian"},
    {"mips64", "big-endian"},
    {"ppc", "big-endian"},
    {"ppc64", "big-endian"},
    {"powerpc", "big-endian"},
    {"s390x", "big-endian"},
    {"sparc64", "big-endian"},
    {"aarch64-be", "big-endian"},
};

/* Names that others give to ours. */
static const struct {
    const char *name, *ours;
} aliases[] = {
    {"x86_64", "x86-64"}, {"amd64", "x86-64"}, {"x64", "x86-64"}, {"arm64", "aarch64"}, {"armv8", "aarch64"}};

static const char *alias_of(const char *name) {
    for (size_t i = 0; i < COUNT_OF(aliases); i++)
        if (!strcmp(aliases[i].name, name)) return aliases[i].ours;
    return NULL;
}

const struct cg_target *target_find(struct diag *d, const char *name) {
    const char *all[8];
    if (!name) return target_host();
    if (cg_n_targets > COUNT_OF(all)) BUG("more than %d targets", (int)COUNT_OF(all));
    for (unsigned i = 0; i < cg_n_targets; i++) {
        all[i] = cg_targets[i]->name;
        if (!strcmp(all[i], name)) return cg_targets[i];
    }
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        if (strcmp(others[i].name, name) != 0) continue;
        diag_in(d, NULL, DIAG_TARGET_KIND, name, others[i].kind);
        return NULL;
    }
    const char *near = alias_of(name);
    if (!near) near = nearest_name(name, all, cg_n_targets);
    char hint[64] = "";
    if (near) snprintf(hint, sizeof hint, ", did you mean '%s'?", near);
    diag_in(d, NULL, DIAG_TARGET_UNKNOWN, name, hint);
    return NULL;
}

/* ---- for the rest of the compiler ---- */

static struct backend_target described(const struct cg_target *t) {
    return (struct backend_target){
        .name = t->name, .gnu = t->gnu, .page_bytes = t->page_bytes, .elf_machine = t->elf_machine, .host = t->host};
}

bool backend_target_find(struct diag *d, const char *name, struct backend_target *t) {
    const struct cg_target *found = target_find(d, name);
    if (found) *t = described(found);
    return found;
}

bool backend_target_at(unsigned i, struct backend_target *t) {
    if (i < cg_n_targets) *t = described(cg_targets[i]);
    return i < cg_n_targets;
}

bool backend_level_at(const struct backend_target *t, unsigned i, struct backend_level *l) {
    const struct cg_target *c = target_find(NULL, t->name);
    if (i >= c->n_levels) return false;
    *l = (struct backend_level){
        .name = c->levels[i].name, .needs = c->levels[i].needs, .runs = target_runs(c, &c->levels[i])};
    return true;
}
