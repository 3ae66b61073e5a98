/* level.c -- which level of the code runs: the first that the CPU has, or the one that SETUN_CPU names. */
#include <stdio.h>
#include <string.h>

#include "runtime/cpu.h"
#include "runtime/rt.h"

static const struct {
    uint32_t bit;
    const char *name;
} feature_table[] = {
    {SETUN_F_V3, "x86-64-v3 (AVX2, FMA, F16C, BMI, LZCNT, MOVBE)"},
    {SETUN_F_AVXVNNI, "AVX-VNNI"},
    {SETUN_F_V4, "x86-64-v4 (AVX-512 F, BW, CD, DQ, VL)"},
    {SETUN_F_AVX512VNNI, "AVX-512-VNNI"},
    {SETUN_F_AVX512VBMI, "AVX-512-VBMI"},
    {SETUN_F_NEON, "NEON"},
    {SETUN_F_DOTPROD, "DotProd"},
    {SETUN_F_I8MM, "I8MM"},
};

static void add_name(char *out, size_t size, const char *name) {
    size_t n = strlen(out);
    snprintf(out + n, size - n, "%s%s", n > 0 ? ", " : "", name);
}

void setun_feature_names(uint32_t features, char *out, size_t size) {
    out[0] = 0;
    for (size_t i = 0; i < sizeof feature_table / sizeof feature_table[0]; i++) {
        if (features & feature_table[i].bit) add_name(out, size, feature_table[i].name);
        features &= ~feature_table[i].bit;
    }
    if (features != 0) add_name(out, size, "a feature that this runtime does not know");
}

static int lacks(const struct setun_host *host, const struct setun_level *l, uint32_t features) {
    char names[256];
    setun_feature_names(l->needs & ~features, names, sizeof names);
    return setun_fail_to(host, EXIT_MACHINE, "level '%s' needs %s, which this CPU or kernel does not offer", l->name,
                         names);
}

int setun_level_choose(const struct setun_model *m, uint32_t features, const char *wanted,
                       const struct setun_host *host, const struct setun_level **level) {
    char all[256] = "";
    for (uint32_t i = 0; i < m->n_levels; i++) {
        const struct setun_level *l = &m->levels[i];
        bool runs = (l->needs & ~features) == 0;
        if (wanted ? strcmp(wanted, l->name) == 0 : runs) {
            *level = l;
            return runs ? EXIT_OK : lacks(host, l, features);
        }
        add_name(all, sizeof all, l->name);
    }
    if (wanted) {
        return setun_fail_to(host, EXIT_USAGE, "%sno level is called '%s'; there are %s",
                             host ? "" : "SETUN_CPU: ", wanted, all);
    }
    return lacks(host, &m->levels[m->n_levels - 1], features);
}
