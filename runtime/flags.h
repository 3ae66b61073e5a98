/* flags.h -- commands and flags, all from flags.def.  Transparent. */
#ifndef SETUN_RUNTIME_FLAGS_H
#define SETUN_RUNTIME_FLAGS_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/rt.h"
#include "runtime/tok/tok.h"

enum setun_command {
    SETUN_RUN = 1,
    SETUN_PPL = 2,
    SETUN_BENCH = 4,
    SETUN_INFO = 8,
    SETUN_SELFTEST = 16,
    SETUN_CHAT = 32,
    SETUN_EMBED = 64,
};

struct setun_texts {
    const char **at;
    uint32_t n;
};

struct setun_opts {
    const char *prompt, *file, *logits, *trace, *prompt_cache;
    const char *system, *system_file, *chat_template, *date;
    struct setun_ids tokens, thread_list;
    struct setun_texts stop, texts, vars;
    uint32_t predict, threads, context, window, chunk; /* threads, context, chunk: 0 is the default */
    uint32_t bench_depth;
    struct setun_ids bench_prompt, bench_predict, bench_pairs;
    uint32_t reps;
    const char *format, *vectors;
    float active;
    float temp, top_p, min_p, repeat_penalty;
    uint32_t top_k, repeat_last;
    uint64_t seed;
    bool has_tokens; /* --tokens was given, maybe empty */
    bool ignore_eos, full_head, echo, ids, special, no_bos, prompt_cache_ro, quiet, help;
    bool similarity, kernels, copy_weights;
    bool chat, model, ir, tensors, licenses, verify;
};

/* Sets the defaults, then reads argv[0..argc), the words after the command's name.  Returns an exit code. */
int setun_flags_parse(struct setun_opts *o, enum setun_command c, int argc, char **argv);
void setun_flags_free(struct setun_opts *o);
/* 0, after a report, if there is no such command. */
int setun_command_find(const char *name);
void setun_help(struct setun_out *out, const char *program);
void setun_command_help(struct setun_out *out, const char *program, enum setun_command c);

#endif
