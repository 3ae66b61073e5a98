/* call.c -- arguments, and the functions a template can call: range, namespace, dict, raise_exception,
 * strftime_now. */
#include <stdio.h>
#include <string.h>

#include "runtime/jinja/impl.h"

/* ---- arguments ---- */

const struct j_value *setun_j_arg(J *j, struct j_args *a, uint32_t i, const char *name) {
    struct j_keyword *found = NULL;
    for (uint32_t k = 0; name && k < a->n_kw; k++)
        if (!strcmp(a->kw[k].name, name)) found = &a->kw[k];
    if (found && i < a->n) setun_j_fail(j, "'%s' is given its argument '%s' twice", a->of, name);
    if (found) {
        found->used = true;
        return &found->value;
    }
    return i < a->n ? &a->at[i] : NULL;
}

void setun_j_args_end(J *j, const struct j_args *a, uint32_t most) {
    if (a->n > most) setun_j_fail(j, "'%s' takes %u arguments, not %u", a->of, most, a->n);
    for (uint32_t k = 0; k < a->n_kw; k++)
        if (!a->kw[k].used) setun_j_fail(j, "'%s' has no argument '%s'", a->of, a->kw[k].name);
}

/* ---- functions ---- */

static struct j_value range(J *j, struct j_args *a) {
    int64_t v[3] = {0, 0, 1};
    if (a->n < 1 || a->n > 3) setun_j_fail(j, "'range' takes 1 to 3 arguments, not %u", a->n);
    for (uint32_t i = 0; i < a->n; i++)
        if (!setun_j_as_int(a->at[i], &v[a->n == 1 ? 1 : i])) {
            setun_j_fail(j, "'range' wants integers, found '%s'", setun_j_type(a->at[i]));
        }
    setun_j_args_end(j, a, 3);
    if (v[2] == 0) setun_j_fail(j, "the step of 'range' is 0");
    int64_t span = 0;
    bool wide = v[2] > 0 ? __builtin_sub_overflow(v[1], v[0], &span) : __builtin_sub_overflow(v[0], v[1], &span);
    uint64_t step = v[2] > 0 ? (uint64_t)v[2] : 0 - (uint64_t)v[2];
    if (v[2] > 0 ? v[1] <= v[0] : v[0] <= v[1])
        span = 0;
    else if (wide || ((uint64_t)span - 1) / step >= J_MAX_RANGE)
        setun_j_fail(j, "'range' has more than %d elements", J_MAX_RANGE);
    struct j_range *r = setun_j_alloc(j, 1, sizeof *r);
    *r = (struct j_range){v[0], v[1], v[2], span > 0 ? (int64_t)(((uint64_t)span - 1) / step + 1) : 0};
    return (struct j_value){.kind = J_RANGE, .range = r};
}

/* dict(mapping or pairs, key = value, ...), and the same for a namespace. */
static struct j_value make_dict(J *j, struct j_args *a, enum j_kind kind) {
    struct j_value d = setun_j_dict(j, kind);
    if (a->n > 1) setun_j_fail(j, "'%s' takes one argument, not %u", a->of, a->n);
    if (a->n == 1 && a->at[0].kind == J_UNDEFINED) setun_j_fail(j, "'%s' of a value that is not defined", a->of);
    if (a->n == 1 && a->at[0].kind == J_DICT) {
        const struct j_dict *from = a->at[0].dict;
        for (uint32_t i = 0; i < from->n; i++) setun_j_put_key(j, d.dict, from->key[i], from->value[i]);
    } else if (a->n == 1) {
        struct j_iter *it = setun_j_walk(j, a->at[0]);
        struct j_value pair;
        while (setun_j_next(j, it, &pair)) {
            struct j_value two = setun_j_elements(j, pair);
            if (two.list->n != 2) setun_j_fail(j, "'%s' wants pairs", a->of);
            setun_j_put_key(j, d.dict, two.list->at[0], two.list->at[1]);
        }
    }
    for (uint32_t i = 0; i < a->n_kw; i++) {
        setun_j_put_key(j, d.dict, setun_j_str(a->kw[i].name, strlen(a->kw[i].name)), a->kw[i].value);
    }
    for (uint32_t i = 0; kind == J_NAMESPACE && i < d.dict->n; i++) {
        struct j_value k = d.dict->key[i];
        if (k.kind == J_STR && k.n > 0 && k.s[0] == '_') setun_j_fail(j, "an attribute of a namespace begins with '_'");
    }
    return d;
}

static struct j_value dict(J *j, struct j_args *a) { return make_dict(j, a, J_DICT); }
static struct j_value namespace(J *j, struct j_args *a) { return make_dict(j, a, J_NAMESPACE); }

static struct j_value raise_exception(J *j, struct j_args *a) {
    const struct j_value *v = setun_j_arg(j, a, 0, "message");
    struct j_buf text = {0};
    setun_j_args_end(j, a, 1);
    if (!v) setun_j_fail(j, "'%s' takes a message", a->of);
    setun_j_print(j, &text, *v);
    struct j_value said = setun_j_take(j, &text);
    if (said.n == 0 || !said.s[0]) setun_j_fail(j, "'%s' with an empty message", a->of);
    setun_j_fail(j, "%.200s", said.s);
}

/* ---- dates, in the C locale ---- */

static const char *const months[] = {"January", "February", "March",     "April",   "May",      "June",
                                     "July",    "August",   "September", "October", "November", "December"};
static const char *const days[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};

static bool leap(int year) { return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0; }

static int day_of_year(const struct setun_jinja_date *d) {
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    return before[d->month - 1] + d->day + (d->month > 2 && leap(d->year));
}

static int week_day(const struct setun_jinja_date *d) {
    int y = d->year - 1;
    return (y * 365 + y / 4 - y / 100 + y / 400 + day_of_year(d)) % 7; /* 1 January of year 1 was a Monday */
}

static void date_part(J *j, struct j_buf *b, const struct setun_jinja_date *d, char c) {
    int twelve = d->hour % 12 == 0 ? 12 : d->hour % 12;
    switch (c) {
    case 'Y': setun_j_printf(j, b, "%d", d->year); break;
    case 'y': setun_j_printf(j, b, "%02d", d->year % 100); break;
    case 'm': setun_j_printf(j, b, "%02d", d->month); break;
    case 'd': setun_j_printf(j, b, "%02d", d->day); break;
    case 'e': setun_j_printf(j, b, "%2d", d->day); break;
    case 'j': setun_j_printf(j, b, "%03d", day_of_year(d)); break;
    case 'B': setun_j_printf(j, b, "%s", months[d->month - 1]); break;
    case 'b': setun_j_printf(j, b, "%.3s", months[d->month - 1]); break;
    case 'A': setun_j_printf(j, b, "%s", days[week_day(d)]); break;
    case 'a': setun_j_printf(j, b, "%.3s", days[week_day(d)]); break;
    case 'H': setun_j_printf(j, b, "%02d", d->hour); break;
    case 'I': setun_j_printf(j, b, "%02d", twelve); break;
    case 'M': setun_j_printf(j, b, "%02d", d->minute); break;
    case 'S': setun_j_printf(j, b, "%02d", d->second); break;
    case 'p': setun_j_printf(j, b, "%s", d->hour < 12 ? "AM" : "PM"); break;
    case 'F': setun_j_printf(j, b, "%d-%02d-%02d", d->year, d->month, d->day); break;
    case 'T': setun_j_printf(j, b, "%02d:%02d:%02d", d->hour, d->minute, d->second); break;
    case '%': setun_j_printf(j, b, "%%"); break;
    default: setun_j_fail(j, "'strftime_now' does not know '%%%c'", c >= ' ' && c < 127 ? c : '?');
    }
}

static struct j_value strftime_now(J *j, struct j_args *a) {
    const struct setun_jinja_date *d = j->date;
    const struct j_value *f = setun_j_arg(j, a, 0, "format");
    struct j_buf out = {0};
    setun_j_args_end(j, a, 1);
    if (!f || f->kind != J_STR) setun_j_fail(j, "'strftime_now' wants a str");
    if (d->year < 1000 || d->year > 9999 || d->month < 1 || d->month > 12 || d->day < 1 || d->day > 31) {
        setun_j_fail(j, "'strftime_now' is given a date that is none");
    }
    for (uint32_t i = 0; i < f->n; i++) {
        if (f->s[i] != '%') {
            setun_j_put(j, &out, f->s + i, 1);
        } else {
            date_part(j, &out, d, ++i < f->n ? f->s[i] : '?');
        }
    }
    return setun_j_take(j, &out);
}

/* ---- calls ---- */

static const struct {
    const char *name;
    struct j_value (*run)(J *, struct j_args *);
} functions[] = {{"range", range},
                 {"dict", dict},
                 {"namespace", namespace},
                 {"raise_exception", raise_exception},
                 {"strftime_now", strftime_now}};

bool setun_j_known_func(const char *name, uint32_t *func) {
    for (*func = 0; *func < sizeof functions / sizeof *functions; ++*func)
        if (!strcmp(functions[*func].name, name)) return true;
    return false;
}

struct j_value setun_j_call(J *j, struct j_value f, struct j_args *a) {
    switch ((enum j_kind)f.kind) {
    case J_FUNC: return functions[f.func].run(j, a);
    case J_METHOD: return setun_j_call_method(j, f.method, a);
    case J_MACRO: return setun_j_call_macro(j, f.macro, a);
    case J_UNDEFINED: setun_j_fail(j, "'%s' is not defined and cannot be called", a->of);
    default: setun_j_fail(j, "a %s cannot be called", setun_j_type(f));
    }
}
