/* targets.c -- the value of --target, and setun targets and levels, which list what there is. */
#include "tools/targets.h"

#include <stdio.h>
#include <string.h>

#include "runtime/cpu.h"
#include "tools/link.h"

static bool has(const target_list *list, const char *name) {
    for (size_t i = 0; i < list->n; i++)
        if (!strcmp(list->at[i].name, name)) return true;
    return false;
}

bool targets_read(struct command_ctx *cx, const char *text, target_list *list) {
    struct backend_target t;
    if (!text) {
        if (!backend_target_find(cx->diag, NULL, &t)) return false;
        *vec_push(cx->arena, list) = t;
        return true;
    }
    for (;; text++) {
        size_t n = strcspn(text, ",");
        if (!backend_target_find(cx->diag, arena_strndup(cx->arena, text, n), &t)) return false;
        if (!has(list, t.name)) *vec_push(cx->arena, list) = t;
        text += n;
        if (!*text) return true;
    }
}

static void print_target(struct command_ctx *cx, const struct backend_target *t) {
    const struct link_options o = {.target = *t};
    const char *runtime = link_runtime(NULL, cx->arena, t);
    link_words linker = {0};
    link_driver(cx->arena, &o, &linker);
    struct backend_level l;
    printf("%s%s\n", t->name, t->host ? ", this machine" : "");
    printf("  runtime: %s\n", runtime ? "there" : "not there, so no executables, only objects, assembly and IR");
    printf("  linker: %s%s\n", linker.at[0], link_found(NULL, cx->arena, &o) ? "" : ", which is not there");
    for (unsigned i = 0; backend_level_at(t, i, &l); i++) {
        char needs[256];
        setun_feature_names(l.needs, needs, sizeof needs);
        printf("  level %s: %s%s\n", l.name, needs, l.runs ? "; this machine runs it" : "");
    }
}

int command_targets(struct command_ctx *cx, int argc, char **argv) {
    (void)argv;
    struct backend_target t;
    if (argc > 1) return command_usage("targets", "takes no words");
    for (unsigned i = 0; backend_target_at(i, &t); i++) print_target(cx, &t);
    return EXIT_OK;
}

int command_levels(struct command_ctx *cx, int argc, char **argv) {
    (void)argv;
    struct backend_target t;
    struct backend_level l;
    if (argc > 1) return command_usage("levels", "takes no words");
    if (!backend_target_find(cx->diag, NULL, &t)) return EXIT_BUG;
    for (unsigned i = 0; backend_level_at(&t, i, &l); i++)
        printf("%-12s %s\n", l.name, l.runs ? "this machine runs it" : "-");
    return EXIT_OK;
}
