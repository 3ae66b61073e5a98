/* inspect_print.c -- what was found, as a table for people or as JSON. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "tools/inspect.h"

struct sum {
    uint64_t bytes, matrices, trits[3];
};

static struct sum sum_of(const struct inspection *s) {
    struct sum sum = {0};
    for (size_t i = 0; i < s->tensors.n; i++) {
        const struct inspected *t = &s->tensors.at[i];
        sum.bytes += t->bytes;
        if (!t->scales) continue;
        sum.matrices += t->layers ? t->layers : 1;
        for (int k = 0; k < 3; k++) sum.trits[k] += t->trits[k];
    }
    return sum;
}

/* Printable, whatever a stranger called it. */
static void put_clean(const char *text) {
    for (const char *p = text; *p; p++) putchar((unsigned char)*p < 0x20 || *p == 0x7f ? '?' : *p);
}

/* ---- table ---- */

static void print_share(const uint64_t trits[3]) {
    double all = (double)trits[0] + (double)trits[1] + (double)trits[2];
    for (int k = 0; k < 3; k++) printf(" %6.2f%%", all > 0 ? 100 * (double)trits[k] / all : 0);
}

static void print_values(const struct inspection *s) {
    for (size_t i = 0; s->config && i < s->config->values.n; i++) {
        const struct config_value *v = &s->config->values.at[i];
        char number[40];
        if (v->is_int)
            printf("  %s = %" PRId64 "\n", v->name, v->i);
        else
            printf("  %s = %s\n", v->name, fmt_f64(number, v->real));
    }
    for (const char *line = s->config_text; line && *line;) {
        size_t n = strcspn(line, "\n");
        printf("  %.*s\n", (int)n, line);
        line += n + (line[n] == '\n');
    }
}

static int widest(const struct inspection *s, bool shape) {
    size_t most = 4;
    for (size_t i = 0; i < s->tensors.n; i++) {
        size_t n = strlen(shape ? s->tensors.at[i].shape : s->tensors.at[i].name);
        if (n > most) most = n;
    }
    return most < 60 ? (int)most : 60;
}

static void print_tensor(const struct inspected *t, int name, int shape) {
    put_clean(t->name);
    for (size_t n = strlen(t->name); n < (size_t)name; n++) putchar(' ');
    printf("  %-8s  %-*s", t->type, shape, t->shape);
    if (t->bytes)
        printf("  %12" PRIu64, t->bytes);
    else
        printf("  %12s", "");
    if (t->layers) printf("  %u layers", (unsigned)t->layers);
    if (t->scales) {
        printf("  a scale a %s:", t->scales);
        print_share(t->trits);
    }
    putchar('\n');
}

void inspect_print(const struct inspection *s) {
    struct sum sum = sum_of(s);
    put_clean(s->path);
    printf(": %s", s->container);
    if (s->target) printf(" for %s", s->target);
    if (s->gguf_version) printf(" version %u, %" PRIu64 " pairs", (unsigned)s->gguf_version, s->pairs);
    if (s->files > 1) printf(", %zu files", s->files);
    if (s->arch) {
        printf(", architecture ");
        put_clean(s->arch);
    }
    printf("\nconfig\n");
    print_values(s);
    if (s->config && s->config->hidden_act) printf("  activation: %s\n", s->config->hidden_act);
    printf("tokenizer: ");
    put_clean(s->tokenizer ? s->tokenizer : "none");
    if (s->template_bytes)
        printf("\nchat template: %" PRIu64 " bytes\n", s->template_bytes);
    else
        printf("\nchat template: none\n");
    fputs(s->dialect, stdout);
    printf("tensors; of ternary ones the shares of -1, 0, +1\n");
    int name = widest(s, false), shape = widest(s, true);
    for (size_t i = 0; i < s->tensors.n; i++) print_tensor(&s->tensors.at[i], name, shape);
    printf("%zu tensors", s->tensors.n);
    if (sum.bytes) printf(", %" PRIu64 " bytes", sum.bytes);
    printf("; %" PRIu64 " ternary matrices of %" PRIu64 " trits", sum.matrices,
           sum.trits[0] + sum.trits[1] + sum.trits[2]);
    if (sum.matrices) {
        putchar(':');
        print_share(sum.trits);
    }
    putchar('\n');
}

/* ---- JSON ---- */

static json_t *text_of(const char *text) { return text ? json_string(text) : json_null(); }

static json_t *trits_of(const uint64_t trits[3]) {
    static const char *const names[] = {"-1", "0", "+1"};
    json_t *o = json_object();
    for (int k = 0; k < 3; k++) json_object_set_new(o, names[k], json_integer((json_int_t)trits[k]));
    return o;
}

static json_t *tensor_of(const struct inspected *t) {
    json_t *o = json_object(), *shape = json_array();
    for (uint32_t i = 0; i < t->rank; i++) json_array_append_new(shape, json_integer((json_int_t)t->dim[i]));
    json_object_set_new(o, "name", text_of(t->name));
    json_object_set_new(o, "type", text_of(t->type));
    json_object_set_new(o, "shape", shape);
    if (t->layers) json_object_set_new(o, "layers", json_integer((json_int_t)t->layers));
    if (t->file) {
        json_object_set_new(o, "file", text_of(t->file));
        json_object_set_new(o, "offset", json_integer((json_int_t)t->offset));
        json_object_set_new(o, "bytes", json_integer((json_int_t)t->bytes));
    }
    if (t->scales) {
        json_object_set_new(o, "scales", text_of(t->scales));
        json_object_set_new(o, "trits", trits_of(t->trits));
    }
    return o;
}

static json_t *config_of(const struct inspection *s) {
    json_t *o = json_object();
    for (size_t i = 0; s->config && i < s->config->values.n; i++) {
        const struct config_value *v = &s->config->values.at[i];
        json_object_set_new(o, v->name, v->is_int ? json_integer((json_int_t)v->i) : json_real(v->real));
    }
    for (const char *line = s->config_text; line && *line;) {
        size_t n = strcspn(line, "\n"), name = strcspn(line, " ");
        if (name + 3 < n) {
            json_t *value = json_loadb(line + name + 3, n - name - 3, JSON_DECODE_ANY, NULL);
            json_object_setn_new(o, line, name, value ? value : json_stringn(line + name + 3, n - name - 3));
        }
        line += n + (line[n] == '\n');
    }
    return o;
}

void inspect_print_json(const struct inspection *s) {
    struct sum sum = sum_of(s);
    json_t *o = json_object(), *tensors = json_array(), *ternary = json_object();
    json_object_set_new(o, "path", text_of(s->path));
    json_object_set_new(o, "container", text_of(s->container));
    if (s->target) json_object_set_new(o, "target", text_of(s->target));
    if (s->gguf_version) json_object_set_new(o, "version", json_integer((json_int_t)s->gguf_version));
    json_object_set_new(o, "files", json_integer((json_int_t)s->files));
    json_object_set_new(o, "architecture", text_of(s->arch));
    json_object_set_new(o, "config", config_of(s));
    json_object_set_new(o, "tokenizer", text_of(s->tokenizer));
    json_object_set_new(o, "chat_template_bytes", json_integer((json_int_t)s->template_bytes));
    for (size_t i = 0; i < s->tensors.n; i++) json_array_append_new(tensors, tensor_of(&s->tensors.at[i]));
    json_object_set_new(o, "tensors", tensors);
    json_object_set_new(ternary, "matrices", json_integer((json_int_t)sum.matrices));
    json_object_set_new(ternary, "trits", trits_of(sum.trits));
    json_object_set_new(o, "ternary", ternary);
    json_dumpf(o, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
    putchar('\n');
    json_decref(o);
}
