/*
 * rope_freqs.c -- GGUF files hold Llama 3's scaling of rotary positions as a table, `rope_freqs.weight`: what the
 * frequency of each pair is divided by.  Here the four numbers it was made of are found again among published sets.
 *
 *     factor of a wave of w positions:   1 if w < original / high;   factor if w > original / low;   else, with
 *     s = (original / w - low) / (high - low):    1 / ((1 - s) / factor + s)
 */
#include <math.h>

#include "base/check.h"
#include "base/compiler.h"
#include "codec/real.h"
#include "frontend/files/checkpoint_impl.h"

static const struct set {
    double factor, low, high, original;
} published[] = {
    {8, 1, 4, 8192},  /* Llama 3.1 */
    {32, 1, 4, 8192}, /* Llama 3.2 */
    {16, 1, 4, 8192}, {4, 1, 4, 8192}, {2, 1, 4, 8192},
};

static double factor_of(const struct set *s, double theta, uint64_t pairs, uint64_t i) {
    double wave = 2 * 3.14159265358979323846 * pow(theta, (double)i / (double)pairs);
    if (wave < s->original / s->high) return 1;
    if (wave > s->original / s->low) return s->factor;
    double smooth = (s->original / wave - s->low) / (s->high - s->low);
    return 1 / ((1 - smooth) / s->factor + smooth);
}

/* Converters computed in f32. */
static bool near(double a, double b) { return fabs(a - b) <= 1e-4 * b; }

static bool all_near(const struct set *s, double theta, const float *table, uint64_t pairs) {
    for (uint64_t i = 0; i < pairs; i++)
        if (!near((double)table[i], s ? factor_of(s, theta, pairs, i) : 1)) return false;
    return true;
}

bool checkpoint_read_rope_freqs(struct checkpoint *cp) {
    struct tensor *t = checkpoint_lookup(cp, "rope_freqs.weight");
    const struct config_value *theta = config_find(&cp->config, "theta");
    enum { MAX_PAIRS = 1024 };
    float table[MAX_PAIRS];
    if (!t) return true;
    t->used = true;
    if (t->type != TYPE_F32 || t->rank != 1 || t->dim[0] > MAX_PAIRS)
        return diag_in(cp->diag, tensor_where(cp->arena, t, 0), DIAG_TENSOR_SHAPE, "a table of f32, one for each pair",
                       tensor_types[t->type].name, tensor_shape_text(cp->arena, t->rank, t->dim));
    const struct config_value *head = config_find(&cp->config, "head"), *hidden = config_find(&cp->config, "hidden");
    const struct config_value *heads = config_find(&cp->config, "heads");
    double turned = head ? head->real : hidden && heads ? hidden->real / heads->real : 0;
    if (turned > 0 && 2 * (double)t->dim[0] != turned)
        return diag_in(cp->diag, tensor_where(cp->arena, t, 0), DIAG_TENSOR_SHAPE, "a table of f32, one for each pair",
                       tensor_types[t->type].name, tensor_shape_text(cp->arena, t->rank, t->dim));
    real_decode(t->type, tensor_data(t), t->dim[0], table);
    if (all_near(NULL, 0, table, t->dim[0])) return true;
    for (size_t i = 0; i < COUNT_OF(published); i++) {
        const struct set *s = &published[i];
        if (!all_near(s, theta ? theta->real : 10000, table, t->dim[0])) continue;
        config_put_value(cp->arena, &cp->config, "rope_factor", s->factor);
        config_put_value(cp->arena, &cp->config, "rope_low", s->low);
        config_put_value(cp->arena, &cp->config, "rope_high", s->high);
        config_put_value(cp->arena, &cp->config, "rope_original", s->original);
        return true;
    }
    return diag_in(cp->diag, tensor_where(cp->arena, t, 0), DIAG_CONFIG_ROPE,
                   "a table that no published scaling gives");
}
