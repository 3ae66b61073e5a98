/* table.c -- one table in three forms: md for readers, json and csv for programs. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/bench/bench.h"

enum form { MD, JSON, CSV };

static enum form form_of(const struct setun_table *t) {
    return strcmp(t->format, "json") == 0 ? JSON : strcmp(t->format, "csv") == 0 ? CSV : MD;
}

static const char *name_of(const struct setun_table *t, uint32_t column) {
    return form_of(t) == MD ? t->columns[column].heading : t->columns[column].name;
}

static void heading(struct setun_table *t) {
    bool md = form_of(t) == MD, first = true;
    for (uint32_t i = 0; i < t->n; i++) {
        if (!name_of(t, i)) continue;
        setun_out_printf(&t->out, md ? "| %s " : first ? "%s" : ",%s", name_of(t, i));
        first = false;
    }
    setun_out_printf(&t->out, md ? "|\n" : "\n");
    if (!md) return;
    for (uint32_t i = 0; i < t->n; i++) {
        if (t->columns[i].heading) setun_out_printf(&t->out, t->columns[i].format ? "| ---: " : "| --- ");
    }
    setun_out_printf(&t->out, "|\n");
}

int setun_table_open(struct setun_table *t, const char *format, const struct setun_column *columns, uint32_t n) {
    *t = (struct setun_table){.format = format, .columns = columns, .n = n};
    int code = setun_out_stdout(&t->out);
    if (code != EXIT_OK) return code;
    if (form_of(t) == JSON) {
        setun_out_printf(&t->out, "[");
    } else {
        heading(t);
    }
    return setun_out_flush(&t->out);
}

/* A text of ours: names of models, functions and values, in which json wants two characters escaped. */
static void text(struct setun_table *t, const char *s) {
    bool json = form_of(t) == JSON;
    if (json) setun_out_write(&t->out, "\"", 1);
    for (; *s; s++) {
        if (json && (*s == '"' || *s == '\\')) setun_out_write(&t->out, "\\", 1);
        setun_out_write(&t->out, s, 1);
    }
    if (json) setun_out_write(&t->out, "\"", 1);
}

static void cell(struct setun_table *t, const struct setun_column *c, const struct setun_cell *v) {
    char number[64];
    if (v->text) {
        text(t, v->text);
    } else if (!isfinite(v->number)) {
        if (form_of(t) == JSON) setun_out_printf(&t->out, "null");
    } else {
        snprintf(number, sizeof number, c->format, v->number);
        setun_out_printf(&t->out, "%s", number);
    }
}

void setun_table_row(struct setun_table *t, const struct setun_cell *cells) {
    enum form form = form_of(t);
    bool first = true;
    if (form == JSON) setun_out_printf(&t->out, t->any ? ",\n  {" : "\n  {");
    for (uint32_t i = 0; i < t->n; i++) {
        if (!name_of(t, i)) continue;
        if (form == JSON) setun_out_printf(&t->out, first ? "\"%s\": " : ", \"%s\": ", name_of(t, i));
        if (form == CSV && !first) setun_out_printf(&t->out, ",");
        if (form == MD) setun_out_printf(&t->out, "| ");
        cell(t, &t->columns[i], &cells[i]);
        if (form == MD) setun_out_printf(&t->out, " ");
        first = false;
    }
    setun_out_printf(&t->out, form == JSON ? "}" : form == MD ? "|\n" : "\n");
    t->any = true;
    setun_out_flush(&t->out);
}

int setun_table_close(struct setun_table *t, bool keep) {
    if (keep && form_of(t) == JSON) setun_out_printf(&t->out, "\n]\n");
    return setun_out_close(&t->out, keep);
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    if (isnan(x) || isnan(y)) return isnan(x) - isnan(y); /* last: an order also with them */
    return x < y ? -1 : x > y;
}

double setun_median(double *values, uint32_t n) {
    if (n == 0) return NAN;
    qsort(values, n, sizeof *values, ascending);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}
