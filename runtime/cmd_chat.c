/*
 * cmd_chat.c -- `chat`: a conversation by the model's own template.
 *
 * Each turn renders all of it, and the engine computes what its caches do not hold of the ids.  On a terminal what
 * cannot be done is said and the conversation goes on; otherwise it ends the program.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/cache.h"
#include "runtime/chat/conversation.h"
#include "runtime/chat/file.h"
#include "runtime/chat/input.h"
#include "runtime/session.h"

struct chat {
    const struct setun_opts *o;
    struct setun_session s;
    struct setun_conversation c;
    struct setun_chat_input in;
    struct setun_copy answer; /* the text of the last one */
    struct setun_opts own;    /* o with the model's own stop texts */
    const char **stops;
    char *stop_text[SETUN_CHAT_STOPS];
    uint8_t *section; /* around the template of a file */
    bool terminal, over;
};

/* What cannot be done: a line of the conversation on a terminal, else the end with this code. */
SETUN_PRINTF_LIKE(3, 4)
static int refuse(const struct chat *h, int code, const char *fmt, ...) {
    char line[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    if (!h->terminal) return setun_fail(code, "%s", line);
    setun_say("(%s)", line);
    return EXIT_OK;
}

static int no_room(const struct chat *h) {
    return refuse(h, EXIT_REJECTED, "the conversation has more than %zu bytes of text; /reset begins a new one",
                  h->c.room / SETUN_GUARDED((size_t)1));
}

/* ---- a turn ---- */

static bool check_ids(const struct chat *h, char *why, size_t size) {
    const struct setun_ids *ids = &h->c.ids;
    const struct setun_engine *e = h->s.e;
    if (ids->n == 0) {
        snprintf(why, size, "the template makes nothing of the conversation");
    } else if (ids->n > e->context) {
        snprintf(why, size, "the conversation has %zu tokens, the context holds %u; /reset begins a new one", ids->n,
                 e->context);
    }
    for (size_t i = 0; i < ids->n && i < e->context; i++) {
        if (ids->at[i] < e->vocab) continue;
        snprintf(why, size, "token id %u is outside the vocabulary of %u", ids->at[i], e->vocab);
        return false;
    }
    return ids->n > 0 && ids->n <= e->context;
}

/* Feeds the conversation and prints the answer, whose text is h->answer.  Returns an exit code. */
static int answer(struct chat *h) {
    struct setun_session *s = &h->s;
    struct setun_printer *p = &s->printer;
    h->answer.n = 0;
    p->decoder.first = true;
    setun_session_set(s, h->c.ids.at, (uint32_t)h->c.ids.n);
    s->generated = 0;
    int code = setun_session_feed(s);
    if (code == EXIT_OK) code = setun_session_generate(s, h->o->predict);
    setun_printer_end(p);
    if (s->generated > 0) setun_out_write(&p->out, "\n", 1);
    setun_out_flush(&p->out);
    return code == EXIT_OK ? p->out.failed : code;
}

static void say_ending(const struct chat *h) {
    const struct setun_session *s = &h->s;
    if (s->ending == SETUN_END_FULL) {
        setun_say(h->terminal ? "(the context of %u positions is full; /reset begins a new conversation)"
                              : "the context of %u positions is full; /reset begins a new conversation",
                  s->e->context);
    } else if (s->ending == SETUN_END_LIMIT && h->terminal) {
        setun_say("(cut after %u tokens, as -n says)", s->generated);
    }
}

static int turn(struct chat *h, const uint8_t *text, size_t n) {
    char why[512];
    if (!setun_conversation_add(&h->c, "user", text, n)) return no_room(h);
    if (!setun_conversation_ids(&h->c, true, why, sizeof why) || !check_ids(h, why, sizeof why)) {
        setun_conversation_drop(&h->c);
        return refuse(h, EXIT_REJECTED, "%s", why);
    }
    int code = answer(h);
    bool stopped = h->terminal && code == EXIT_INT && setun_stopped() == EXIT_INT;
    if (stopped) {
        setun_stopped_clear();
        code = EXIT_OK;
    }
    if (code != EXIT_OK) return code;
    if (h->s.generated == 0) {
        setun_conversation_drop(&h->c); /* nothing was said to it */
    } else if (h->answer.n == h->answer.cap || !setun_conversation_add(&h->c, "assistant", h->answer.at, h->answer.n)) {
        setun_conversation_drop(&h->c); /* templates want answers to questions */
        return no_room(h);
    }
    if (stopped) {
        setun_say("(stopped)");
    } else {
        say_ending(h);
    }
    return EXIT_OK;
}

/* ---- commands ---- */

static int do_help(struct chat *h, const char *rest) {
    (void)h;
    (void)rest;
    setun_say("/help           this\n"
              "/reset          a new conversation with the same system message\n"
              "/system [TEXT]  another system message, or none, from now on\n"
              "/save FILE      writes the conversation as JSON\n"
              "/load FILE      goes on with such a conversation\n"
              "/exit           the end; Ctrl-D too\n"
              "A line that ends in a backslash goes on; a line that begins with \"\"\" begins a block, which ends with "
              "\"\"\".\n"
              "Ctrl-C stops an answer.  A message that begins with a slash is typed with two.");
    return EXIT_OK;
}

static int do_reset(struct chat *h, const char *rest) {
    (void)rest;
    setun_conversation_reset(&h->c);
    return EXIT_OK;
}

static int do_system(struct chat *h, const char *rest) {
    if (setun_conversation_system(&h->c, (const uint8_t *)rest, strlen(rest))) return EXIT_OK;
    return no_room(h);
}

/* A file that cannot be written or read was said; on a terminal that is all. */
static int do_save(struct chat *h, const char *rest) {
    if (*rest == 0) return refuse(h, EXIT_USAGE, "/save wants the name of a file");
    int code = setun_chat_save(&h->c, rest);
    return h->terminal ? EXIT_OK : code;
}

static int do_load(struct chat *h, const char *rest) {
    if (*rest == 0) return refuse(h, EXIT_USAGE, "/load wants the name of a file");
    int code = setun_chat_load(&h->c, rest);
    return h->terminal ? EXIT_OK : code;
}

static int do_exit(struct chat *h, const char *rest) {
    (void)rest;
    h->over = true;
    return EXIT_OK;
}

static const struct {
    const char *name;
    int (*run)(struct chat *h, const char *rest);
} commands[] = {{"help", do_help}, {"reset", do_reset}, {"system", do_system},
                {"save", do_save}, {"load", do_load},   {"exit", do_exit}};

/* The command in h->in.text, terminated there. */
static int command(struct chat *h) {
    char *word = (char *)h->in.text, *rest;
    if (h->in.n == h->in.lines.cap) return refuse(h, EXIT_USAGE, "a command of %zu bytes", h->in.n);
    word[h->in.n] = 0;
    rest = word + strcspn(word, " \t\n");
    if (*rest) *rest++ = 0;
    rest += strspn(rest, " \t\n");
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(word, commands[i].name) == 0) return commands[i].run(h, rest);
    }
    return refuse(h, EXIT_USAGE, "unknown command '/%.64s'; /help lists them", word);
}

/* ---- the whole ---- */

static int from_input(struct chat *h) {
    int code = setun_chat_input_open(&h->in, h->c.room / SETUN_GUARDED((size_t)1) + 1);
    h->terminal = h->in.terminal;
    if (code == EXIT_OK && h->terminal && isatty(STDERR_FILENO)) setun_say("/help says what there is");
    while (code == EXIT_OK && !h->over) {
        enum setun_said said;
        code = setun_chat_input_next(&h->in, &said);
        if (code != EXIT_OK || said == SETUN_SAID_END) break;
        code = said == SETUN_SAID_COMMAND ? command(h) : turn(h, h->in.text, h->in.n);
    }
    return code;
}

/* The message of -p or -f. */
static int one_message(struct chat *h) {
    char *text = NULL;
    size_t n;
    if (h->o->prompt) return turn(h, (const uint8_t *)h->o->prompt, strlen(h->o->prompt));
    int code = setun_read_text(h->o->file, &text, &n);
    if (code == EXIT_OK) code = turn(h, (const uint8_t *)text, n);
    free(text);
    return code;
}

static int open_system(struct chat *h) {
    const struct setun_opts *o = h->o;
    char *text = NULL;
    const char *system = o->system;
    size_t n = system ? strlen(system) : 0;
    int code = o->system_file ? setun_read_text(o->system_file, &text, &n) : EXIT_OK;
    if (text) system = text;
    if (code == EXIT_OK && !setun_conversation_system(&h->c, (const uint8_t *)system, n)) {
        code = setun_fail(EXIT_REJECTED, "the system message has more than %zu bytes",
                          h->c.room / SETUN_GUARDED((size_t)1));
    }
    free(text);
    return code;
}

/* A chat section around the template of a file, with the tokenizer's own tokens. */
static int read_template(struct chat *h, const struct setun_tokenizer *t, const void **section, uint64_t *bytes) {
    char *text = NULL;
    size_t n;
    uint32_t n_bos = 0, n_eos = 0;
    const uint8_t *bos = setun_tok_text(t, t->tok->bos, &n_bos); /* none for SETUN_NO_TOKEN */
    const uint8_t *eos = setun_tok_text(t, t->tok->n_eos > 0 ? t->tok->eos[0] : SETUN_NO_TOKEN, &n_eos);
    int code = setun_read_text(h->o->chat_template, &text, &n);
    if (code == EXIT_OK && n > SETUN_JINJA_TEXT) {
        code = setun_fail(EXIT_UNSUPPORTED, "%s: %zu bytes of template, more than %u", h->o->chat_template, n,
                          SETUN_JINJA_TEXT);
    }
    if (code == EXIT_OK) {
        struct setun_chat head = {.magic = SETUN_CHAT_MAGIC};
        uint32_t at = sizeof head;
        *bytes = sizeof head + n + n_bos + n_eos;
        uint8_t *all = h->section = malloc(*bytes);
        if (!all) code = setun_fail(EXIT_MEMORY, "out of memory");
        head.jinja = (struct setun_chat_text){.offset = at, .bytes = (uint32_t)n};
        if (n_bos > 0) head.bos = (struct setun_chat_text){.offset = at + (uint32_t)n, .bytes = n_bos};
        if (n_eos > 0) head.eos = (struct setun_chat_text){.offset = at + (uint32_t)n + n_bos, .bytes = n_eos};
        if (all) {
            memcpy(all, &head, sizeof head);
            if (n > 0) memcpy(all + at, text, n);
            if (n_bos > 0) memcpy(all + at + n, bos, n_bos);
            if (n_eos > 0) memcpy(all + at + n + n_bos, eos, n_eos);
        }
        *section = all;
    }
    free(text);
    return code;
}

/* The flags, with the texts that end an answer of this model among those of -r. */
static int merge_stops(struct chat *h) {
    const struct setun_chat *chat = h->c.chat.chat;
    uint32_t n = h->o->stop.n, more = h->o->ignore_eos ? 0 : chat->n_stops;
    h->own = *h->o;
    h->own.stop.at = h->stops = calloc((size_t)n + more + 1, sizeof *h->stops);
    if (!h->stops) return setun_fail(EXIT_MEMORY, "out of memory");
    if (n > 0) memcpy(h->stops, h->o->stop.at, n * sizeof *h->stops);
    for (uint32_t i = 0; i < more; i++) {
        struct setun_jinja_text text = setun_chat_stop(&h->c.chat, i);
        h->stops[n + i] = h->stop_text[i] = strndup(text.at, text.n);
        if (!h->stop_text[i]) return setun_fail(EXIT_MEMORY, "out of memory");
    }
    h->own.stop.n = n + more;
    return EXIT_OK;
}

static void set_ends(struct chat *h) {
    const struct setun_chat *chat = h->c.chat.chat;
    struct setun_session *s = &h->s;
    for (uint32_t i = 0; i < chat->n_eot; i++) s->ends[s->n_ends++] = chat->eot[i];
    uint32_t end = setun_conversation_end(&h->c);
    if (end != SETUN_NO_TOKEN) s->ends[s->n_ends++] = end;
}

static int open_chat(struct chat *h, struct setun_engine *e, const struct setun_tokenizer *t, const void *section,
                     uint64_t bytes) {
    int code = h->o->chat_template ? read_template(h, t, &section, &bytes) : EXIT_OK;
    if (code == EXIT_OK && bytes == 0) {
        code = setun_fail(EXIT_UNSUPPORTED, "this model has no chat template: give one with --template, or use run");
    }
    if (code == EXIT_OK) code = setun_conversation_open(&h->c, t, h->o, section, bytes, e->context);
    if (code == EXIT_OK) code = open_system(h);
    if (code == EXIT_OK) code = merge_stops(h);
    if (code == EXIT_OK) code = setun_session_open(&h->s, e, t, &h->own, UINT64_MAX, NULL);
    if (code != EXIT_OK) return code;
    set_ends(h);
    h->answer.cap = h->c.room / SETUN_GUARDED((size_t)1);
    h->answer.at = malloc(h->answer.cap);
    h->s.printer.copy = &h->answer;
    return h->answer.at ? EXIT_OK : setun_fail(EXIT_MEMORY, "out of memory");
}

static void close_chat(struct chat *h) {
    setun_chat_input_close(&h->in);
    setun_conversation_close(&h->c);
    for (uint32_t i = 0; i < SETUN_CHAT_STOPS; i++) free(h->stop_text[i]);
    free(h->stops);
    free(h->section);
    free(h->answer.at);
}

static int check_flags(const struct setun_opts *o) {
    if (o->prompt && o->file) return setun_fail(EXIT_USAGE, "--prompt and --file exclude each other");
    if (o->system && o->system_file) return setun_fail(EXIT_USAGE, "--system and --system-file exclude each other");
    return EXIT_OK;
}

int setun_chat(struct setun_engine *e, const struct setun_tokenizer *t, const struct setun_opts *o, const void *section,
               uint64_t bytes) {
    struct chat h = {.o = o};
    struct setun_out cache = {.fd = -1};
    int code = setun_emits(e, "logits");
    if (code == EXIT_OK && !t)
        code = setun_fail(EXIT_UNSUPPORTED, "this model has no tokenizer: use run with --tokens");
    if (code == EXIT_OK) code = check_flags(o);
    if (code == EXIT_OK) code = open_chat(&h, e, t, section, bytes);
    if (code == EXIT_OK && o->prompt_cache) code = setun_cache_load(&h.s, o->prompt_cache);
    if (code == EXIT_OK && o->prompt_cache && !o->prompt_cache_ro) code = setun_out_open(&cache, o->prompt_cache);
    if (code == EXIT_OK) code = o->prompt || o->file ? one_message(&h) : from_input(&h);
    bool ended = code == EXIT_OK || (h.terminal && code == EXIT_INT); /* at the prompt */
    if (ended && cache.buf) {
        setun_stopped_clear();
        int saved = setun_cache_save(&h.s, &cache);
        ended = saved == EXIT_OK;
        if (code == EXIT_OK) code = saved;
    }
    int closed = setun_session_close(&h.s), kept = setun_out_close(&cache, ended);
    close_chat(&h);
    return code != EXIT_OK ? code : closed != EXIT_OK ? closed : kept;
}
