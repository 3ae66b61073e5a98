/* flags.c -- reads the command line by the table of flags.def and prints help from it. */
#include "runtime/flags.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { KIND_SET, KIND_U32, KIND_U64, KIND_F32, KIND_TEXT, KIND_TEXTS, KIND_LIST, KIND_CHOICE };

struct flag {
    unsigned commands;
    char letter;
    const char *name;
    enum kind kind;
    size_t field;
    double low, high;
    const char *arg, *initial, *help;
};

static const struct flag flags[] = {
#define RUN      SETUN_RUN
#define PPL      SETUN_PPL
#define BENCH    SETUN_BENCH
#define INFO     SETUN_INFO
#define CHAT     SETUN_CHAT
#define EMBED    SETUN_EMBED
#define SELFTEST SETUN_SELFTEST
#define FLAG(commands, letter, name, kind, field, low, high, arg, initial, help)                                       \
    {commands, letter, name, KIND_##kind, offsetof(struct setun_opts, field), low, high, arg, initial, help},
#include "runtime/flags.def"
#undef RUN
#undef PPL
#undef BENCH
#undef INFO
#undef CHAT
#undef EMBED
#undef SELFTEST
};
enum { N_FLAGS = sizeof flags / sizeof flags[0] };

static const struct {
    enum setun_command id;
    const char *name, *help;
} commands[] = {
    {SETUN_RUN, "run", "go on from a prompt"},
    {SETUN_CHAT, "chat", "talk with the model by its own chat template"},
    {SETUN_PPL, "ppl", "how well the model predicts a text"},
    {SETUN_EMBED, "embed", "a vector for each text"},
    {SETUN_BENCH, "bench", "measure the speed, and the machine's"},
    {SETUN_INFO, "info", "what is in this file"},
    {SETUN_SELFTEST, "selftest", "check the weights, and that all levels and thread counts agree"},
};
enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

/* ---- did you mean ---- */

/* Edit distance of short words; 99 for long ones. */
static unsigned distance(const char *a, const char *b) {
    unsigned row[32];
    size_t na = strlen(a), nb = strlen(b);
    if (na > 31 || nb > 31) return 99;
    for (unsigned j = 0; j <= nb; j++) row[j] = j;
    for (unsigned i = 1; i <= na; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= nb; j++) {
            unsigned best = diagonal + (a[i - 1] != b[j - 1]);
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[nb];
}

/* Keeps the nearest of the words it is shown. */
struct nearest {
    const char *word, *best;
    unsigned at;
};

static void consider(struct nearest *n, const char *candidate) {
    unsigned d = distance(n->word, candidate);
    if (d > 2 && 3 * d > strlen(n->word)) return;
    if (n->best && d >= n->at) return;
    n->best = candidate;
    n->at = d;
}

/* ---- values ---- */

static bool whole_number(const char *text, uint64_t *value) {
    char *end;
    if (*text < '0' || *text > '9') return false;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    *value = v;
    return errno == 0 && *end == 0;
}

static bool real_number(const char *text, float *value) {
    char *end;
    if (!((*text >= '0' && *text <= '9') || *text == '.')) return false;
    *value = strtof(text, &end);
    return *end == 0;
}

static int bad_value(const struct flag *f, const char *value) {
    const char *what = f->kind == KIND_F32 ? "a number" : f->kind == KIND_LIST ? "whole numbers" : "a whole number";
    if (f->kind == KIND_U64) return setun_fail(EXIT_USAGE, "--%s wants %s, not '%s'", f->name, what, value);
    return setun_fail(EXIT_USAGE, "--%s wants %s from %.10g to %.10g, not '%s'", f->name, what, f->low, f->high, value);
}

static int set_list(struct setun_ids *list, const struct flag *f, const char *text) {
    list->n = 0;
    if (*text == 0) return EXIT_OK;
    for (const char *at = text;;) {
        char *end;
        errno = 0;
        unsigned long long v = strtoull(at, &end, 10);
        if (*at < '0' || *at > '9' || errno != 0 || (double)v < f->low || (double)v > f->high) {
            return bad_value(f, text);
        }
        if (!setun_ids_push(list, (uint32_t)v)) return setun_fail(EXIT_MEMORY, "out of memory");
        if (*end == 0) return EXIT_OK;
        if (*end != ',') return bad_value(f, text);
        at = end + 1;
    }
}

static int set_choice(const char **field, const struct flag *f, const char *text) {
    size_t n = strlen(text);
    for (const char *at = f->arg; at; at = strchr(at, '|')) {
        at += *at == '|';
        if (n > 0 && strncmp(at, text, n) == 0 && (at[n] == '|' || at[n] == 0)) {
            *field = text;
            return EXIT_OK;
        }
    }
    return setun_fail(EXIT_USAGE, "--%s wants one of %s, not '%s'", f->name, f->arg, text);
}

static int add_text(struct setun_texts *t, const char *text) {
    const char **at = realloc(t->at, (t->n + 1) * sizeof *at);
    if (!at) return setun_fail(EXIT_MEMORY, "out of memory");
    t->at = at;
    t->at[t->n++] = text;
    return EXIT_OK;
}

static int set_value(struct setun_opts *o, const struct flag *f, const char *text) {
    void *field = (char *)o + f->field;
    uint64_t whole;
    float real;
    switch (f->kind) {
    case KIND_SET: *(bool *)field = true; return EXIT_OK;
    case KIND_U32:
        if (!whole_number(text, &whole) || (double)whole < f->low || (double)whole > f->high) return bad_value(f, text);
        *(uint32_t *)field = (uint32_t)whole;
        return EXIT_OK;
    case KIND_U64:
        if (!whole_number(text, &whole)) return bad_value(f, text);
        *(uint64_t *)field = whole;
        return EXIT_OK;
    case KIND_F32: /* compared as floats, so that both ends of the range are in it; false for NaN */
        if (!real_number(text, &real) || !(real >= (float)f->low && real <= (float)f->high)) return bad_value(f, text);
        *(float *)field = real;
        return EXIT_OK;
    case KIND_TEXT: *(const char **)field = text; return EXIT_OK;
    case KIND_TEXTS: return add_text(field, text);
    case KIND_LIST: return set_list(field, f, text);
    case KIND_CHOICE: return set_choice(field, f, text);
    }
    return EXIT_BUG;
}

/* ---- words ---- */

static const struct flag *find_letter(enum setun_command c, char letter) {
    for (int i = 0; i < N_FLAGS; i++) {
        if ((flags[i].commands & c) && flags[i].letter == letter) return &flags[i];
    }
    return NULL;
}

static const struct flag *find_name(enum setun_command c, const char *name, size_t n) {
    for (int i = 0; i < N_FLAGS; i++) {
        const char *own = flags[i].name;
        if ((flags[i].commands & c) && strncmp(own, name, n) == 0 && own[n] == 0) return &flags[i];
    }
    return NULL;
}

static int unknown(enum setun_command c, const char *word, size_t n) {
    char name[64];
    if (word[1] != '-' || n < 4 || n >= sizeof name) {
        return setun_fail(EXIT_USAGE, "unknown flag '%.*s'; --help lists them", (int)n, word);
    }
    memcpy(name, word + 2, n - 2);
    name[n - 2] = 0;
    struct nearest near = {.word = name};
    for (int i = 0; i < N_FLAGS; i++) {
        if (flags[i].commands & c) consider(&near, flags[i].name);
    }
    if (near.best) return setun_fail(EXIT_USAGE, "unknown flag '--%s'; did you mean '--%s'?", name, near.best);
    return setun_fail(EXIT_USAGE, "unknown flag '--%s'; --help lists them", name);
}

/* One flag at argv[*at], and its value, which may be the next word. */
static int parse_flag(struct setun_opts *o, enum setun_command c, int argc, char **argv, int *at) {
    const char *word = argv[*at], *value = NULL;
    size_t n = strlen(word);
    const struct flag *f = NULL;
    if (word[1] == '-') {
        const char *equals = strchr(word, '=');
        if (equals) {
            n = (size_t)(equals - word);
            value = equals + 1;
        }
        f = n > 2 ? find_name(c, word + 2, n - 2) : NULL;
    } else if (n == 2) {
        f = find_letter(c, word[1]);
    }
    if (!f) return unknown(c, word, n);
    if (f->kind == KIND_SET) {
        if (value) return setun_fail(EXIT_USAGE, "--%s takes no value", f->name);
        return set_value(o, f, NULL);
    }
    if (!value) {
        if (*at + 1 >= argc) return setun_fail(EXIT_USAGE, "%s wants a value: %s", word, f->arg);
        value = argv[++*at];
    }
    if (f->field == offsetof(struct setun_opts, tokens)) o->has_tokens = true;
    return set_value(o, f, value);
}

int setun_flags_parse(struct setun_opts *o, enum setun_command c, int argc, char **argv) {
    *o = (struct setun_opts){0};
    int code = EXIT_OK;
    for (int i = 0; i < N_FLAGS && code == EXIT_OK; i++) {
        if ((flags[i].commands & c) && flags[i].initial) code = set_value(o, &flags[i], flags[i].initial);
    }
    for (int i = 0; i < argc && code == EXIT_OK; i++) {
        if (argv[i][0] != '-' || argv[i][1] == 0) return setun_fail(EXIT_USAGE, "unexpected argument '%s'", argv[i]);
        code = parse_flag(o, c, argc, argv, &i);
    }
    return code;
}

void setun_flags_free(struct setun_opts *o) {
    setun_ids_free(&o->tokens);
    setun_ids_free(&o->thread_list);
    setun_ids_free(&o->bench_prompt);
    setun_ids_free(&o->bench_predict);
    setun_ids_free(&o->bench_pairs);
    free(o->stop.at);
    free(o->texts.at);
    free(o->vars.at);
    o->stop = o->texts = o->vars = (struct setun_texts){0};
}

int setun_command_find(const char *name) {
    struct nearest near = {.word = name};
    for (int i = 0; i < N_COMMANDS; i++) {
        if (strcmp(commands[i].name, name) == 0) return (int)commands[i].id;
        consider(&near, commands[i].name);
    }
    if (name[0] == '-') {
        setun_error("'%s' comes before a command; --help lists them", name);
    } else if (near.best) {
        setun_error("unknown command '%s'; did you mean '%s'?", name, near.best);
    } else {
        setun_error("unknown command '%s'; --help lists them", name);
    }
    return 0;
}

/* ---- help ---- */

void setun_help(struct setun_out *out, const char *program) {
    setun_out_printf(out, "usage: %s COMMAND [FLAGS]\n\n", program);
    for (int i = 0; i < N_COMMANDS; i++) setun_out_printf(out, "  %-10s %s\n", commands[i].name, commands[i].help);
    setun_out_printf(out, "\n'%s COMMAND --help' lists the flags of a command; '%s --version' says what this is.\n",
                     program, program);
    setun_out_printf(out, "SETUN_CPU=LEVEL in the environment picks the code to run; 'info' lists the levels.\n");
}

void setun_command_help(struct setun_out *out, const char *program, enum setun_command c) {
    for (int i = 0; i < N_COMMANDS; i++) {
        if (commands[i].id == c) {
            setun_out_printf(out, "usage: %s %s [FLAGS]: %s\n\n", program, commands[i].name, commands[i].help);
        }
    }
    for (int i = 0; i < N_FLAGS; i++) {
        const struct flag *f = &flags[i];
        if (!(f->commands & c)) continue;
        char left[64], letter[8] = "    ";
        if (f->letter) snprintf(letter, sizeof letter, "-%c, ", f->letter);
        snprintf(left, sizeof left, "%s--%s%s%s", letter, f->name, f->arg ? " " : "", f->arg ? f->arg : "");
        bool shown = f->initial && f->kind != KIND_SET && strlen(f->initial) < 8;
        setun_out_printf(out, "  %-28s %s%s%s%s\n", left, f->help, shown ? " (" : "", shown ? f->initial : "",
                         shown ? ")" : "");
    }
}
