/* conversation.c -- messages to token ids, by the model's own template (conversation.h). */
#include "runtime/chat/conversation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LONG_TOKEN = 64,      /* bytes: what a token of a conversation is taken to have at the most, on average */
    LEAST_ROOM = 1 << 16, /* bytes */
    TEMPLATE_SHARE = 2    /* what is rendered has at most this many times the messages' room */
};

static int read_vars(struct setun_conversation *c, const struct setun_opts *o) {
    c->in.vars = c->var;
    for (uint32_t i = 0; i < o->vars.n; i++) {
        const char *word = o->vars.at[i], *equals = strchr(word, '=');
        if (!equals || equals == word) return setun_fail(EXIT_USAGE, "--var wants NAME=VALUE, not '%s'", word);
        if (i == SETUN_CHAT_VARS) return setun_fail(EXIT_USAGE, "more than %d times --var", SETUN_CHAT_VARS);
        struct setun_jinja_var *v = &c->var[c->in.n_vars++];
        char *name = malloc((size_t)(equals - word) + 1);
        if (!name) return setun_fail(EXIT_MEMORY, "out of memory");
        memcpy(name, word, (size_t)(equals - word));
        name[equals - word] = 0;
        *v = (struct setun_jinja_var){.name = name, .kind = SETUN_JINJA_STRING};
        v->text = (struct setun_jinja_text){.at = equals + 1, .n = strlen(equals + 1)};
        if (strcmp(equals + 1, "true") == 0) v->kind = SETUN_JINJA_TRUE;
        if (strcmp(equals + 1, "false") == 0) v->kind = SETUN_JINJA_FALSE;
        if (strcmp(equals + 1, "none") == 0) v->kind = SETUN_JINJA_NONE;
    }
    return EXIT_OK;
}

static int read_date(struct setun_conversation *c, const struct setun_opts *o) {
    struct setun_jinja_date *d = &c->date;
    int end = 0;
    if (!o->date) return EXIT_OK;
    if (sscanf(o->date, "%4d-%2d-%2d%n", &d->year, &d->month, &d->day, &end) != 3 || o->date[end] || d->year < 1 ||
        d->month < 1 || d->month > 12 || d->day < 1 || d->day > 31) {
        return setun_fail(EXIT_USAGE, "--date wants YYYY-MM-DD, not '%s'", o->date);
    }
    c->in.date = d;
    return EXIT_OK;
}

static bool take_memory(struct setun_conversation *c, uint32_t context) {
    uint32_t longest = c->t->longest < LONG_TOKEN ? c->t->longest : LONG_TOKEN;
    c->room = (size_t)context * longest + LEAST_ROOM;
    c->cap = (size_t)context + 2; /* a message takes a token at least, an odd one is being added */
    c->made.cap = TEMPLATE_SHARE * c->room;
    c->made.mark_cap = c->made.cap / 4;
    c->message = calloc(c->cap, sizeof *c->message);
    c->text = malloc(c->room);
    c->made.at = malloc(c->made.cap);
    c->made.mark = malloc(c->made.mark_cap * sizeof *c->made.mark);
    return c->message && c->text && c->made.at && c->made.mark;
}

int setun_conversation_open(struct setun_conversation *c, const struct setun_tokenizer *t, const struct setun_opts *o,
                            const void *section, uint64_t bytes, uint32_t context) {
    char why[512];
    *c = (struct setun_conversation){.t = t};
    int code = read_vars(c, o);
    if (code == EXIT_OK) code = read_date(c, o);
    if (code != EXIT_OK) return code;
    if (!take_memory(c, context)) return setun_fail(EXIT_MEMORY, "out of memory");
    if (!setun_chat_open(&c->chat, section, bytes, t->tok->n_tokens, why, sizeof why)) {
        return setun_fail(EXIT_UNSUPPORTED, "%s", why);
    }
    c->in.messages = c->message;
    return EXIT_OK;
}

void setun_conversation_close(struct setun_conversation *c) {
    for (size_t i = 0; i < c->in.n_vars; i++) free((void *)(uintptr_t)c->var[i].name);
    setun_chat_close(&c->chat);
    setun_ids_free(&c->ids);
    free(c->message);
    free(c->text);
    free(c->made.at);
    free(c->made.mark);
    *c = (struct setun_conversation){.t = NULL};
}

/* ---- messages ---- */

bool setun_conversation_add(struct setun_conversation *c, const char *role, const uint8_t *text, size_t n) {
    if (c->in.n_messages == c->cap || n > SIZE_MAX / 4 || SETUN_GUARDED(n) > c->room - c->used) return false;
    struct setun_message *m = &c->message[c->in.n_messages++];
    m->role = (struct setun_jinja_text){.at = role, .n = strlen(role)};
    m->content.at = (const char *)c->text + c->used;
    m->content.n = setun_guard(c->t, text, n, c->text + c->used);
    c->used += m->content.n;
    return true;
}

void setun_conversation_drop(struct setun_conversation *c) {
    const struct setun_message *m = &c->message[--c->in.n_messages];
    if (m->content.at + m->content.n == (const char *)c->text + c->used) c->used -= m->content.n;
}

void setun_conversation_clear(struct setun_conversation *c) { c->in.n_messages = c->used = 0; }

static bool has_system(const struct setun_conversation *c) {
    return c->in.n_messages > 0 && strcmp(c->message[0].role.at, "system") == 0;
}

void setun_conversation_reset(struct setun_conversation *c) {
    c->used = 0;
    c->in.n_messages = has_system(c);
    if (c->in.n_messages == 0) return;
    struct setun_jinja_text *content = &c->message[0].content;
    memmove(c->text, content->at, content->n);
    content->at = (const char *)c->text;
    c->used = content->n;
}

bool setun_conversation_system(struct setun_conversation *c, const uint8_t *text, size_t n) {
    struct setun_message last;
    if (n == 0) {
        if (has_system(c)) memmove(c->message, c->message + 1, --c->in.n_messages * sizeof last);
        return true;
    }
    if (!setun_conversation_add(c, "system", text, n)) return false; /* where there is room; then to the front */
    last = c->message[--c->in.n_messages];
    if (!has_system(c)) memmove(c->message + 1, c->message, c->in.n_messages++ * sizeof last);
    c->message[0] = last;
    return true;
}

/* ---- ids ---- */

/* Rendered, and the stand-ins taken back. */
static bool render(struct setun_conversation *c, const struct setun_jinja_input *in, char *why, size_t why_size) {
    struct setun_jinja_text out;
    if (!setun_chat_render(&c->chat, in, &out, why, why_size)) return false;
    if (setun_unguard((const uint8_t *)out.at, out.n, &c->made)) return true;
    snprintf(why, why_size, "the conversation has more than %zu bytes of text", c->made.cap);
    return false;
}

bool setun_conversation_ids(struct setun_conversation *c, bool answer, char *why, size_t why_size) {
    char reason[256];
    c->in.add_generation_prompt = answer;
    c->ids.n = 0;
    if (!render(c, &c->in, why, why_size)) return false;
    if (setun_encode_marked(c->t, c->made.at, c->made.n, c->made.mark, c->made.n_marks, &c->ids, reason,
                            sizeof reason)) {
        return true;
    }
    snprintf(why, why_size, "the conversation cannot be turned into tokens: %s", reason);
    return false;
}

/* Where `what` lies last in the text, or NULL. */
static const uint8_t *find_last(const uint8_t *at, size_t n, const char *what) {
    size_t len = strlen(what);
    for (size_t i = n >= len ? n - len + 1 : 0; i-- > 0;) {
        if (memcmp(at + i, what, len) == 0) return at + i;
    }
    return NULL;
}

uint32_t setun_conversation_end(struct setun_conversation *c) {
    static const char question[] = "What is this?", answer[] = "An answer of forty-two words.";
    const struct setun_message probe[] = {
        {.role = {"user", 4}, .content = {question, sizeof question - 1}},
        {.role = {"assistant", 9}, .content = {answer, sizeof answer - 1}},
    };
    struct setun_jinja_input in = c->in;
    char why[512];
    in.messages = probe;
    in.n_messages = 2;
    in.add_generation_prompt = false;
    const uint8_t *at = render(c, &in, why, sizeof why) ? find_last(c->made.at, c->made.n, answer) : NULL;
    if (!at) return SETUN_NO_TOKEN;
    at += sizeof answer - 1;
    while (at < c->made.at + c->made.n && (*at == ' ' || *at == '\n')) at++;
    c->ids.n = 0;
    bool ok = setun_encode(c->t, at, (size_t)(c->made.at + c->made.n - at), true, &c->ids, why, sizeof why);
    return ok && c->ids.n > 0 && setun_tok_is_special(c->t, c->ids.at[0]) ? c->ids.at[0] : SETUN_NO_TOKEN;
}
