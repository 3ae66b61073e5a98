/* try.c -- a template is tried before it is packed, and tells which token ends an answer. */
#include <string.h>

#include "frontend/chat/impl.h"

/* Words that no template has, so that they are found again in what it makes. */
#define QUESTION "setunQuestionOne"
#define ANSWER   "setunAnswerOne"
#define SECOND   "setunQuestionTwo"
#define SYSTEM   "setunSystem"

#define TEXT(s) {(s), sizeof(s) - 1}
static const struct setun_message first[] = {{TEXT("system"), TEXT(SYSTEM)},
                                             {TEXT("user"), TEXT(QUESTION)},
                                             {TEXT("assistant"), TEXT(ANSWER)},
                                             {TEXT("user"), TEXT(SECOND)}};

static bool report(const struct chat_build *b, const struct setun_jinja_error *e) {
    const char *where = e->line ? arena_printf(b->in->arena, "%s, line %u", b->where, e->line) : b->where;
    diag_in(b->in->diag, where, DIAG_CHAT_TEMPLATE, e->text);
    diag_note_in(b->in->diag, NULL, "--chat-template FILE takes another template, --chat-template none goes without");
    return false;
}

/* A conversation of messages first[from .. from + n). */
static bool render(struct chat_build *b, struct setun_jinja *t, size_t from, size_t n, bool prompt,
                   struct setun_jinja_text *out, struct setun_jinja_error *e) {
    static const struct setun_jinja_date date = {.year = 2024, .month = 7, .day = 26};
    struct setun_jinja_input in = {
        .messages = first + from, .n_messages = n, .add_generation_prompt = prompt, .bos = b->bos, .eos = b->eos};
    if (setun_jinja_render(t, &in, out, e)) return true;
    in.date = &date; /* one that wants today's date and has no other */
    return setun_jinja_render(t, &in, out, e);
}

bool chat_add_eot(struct chat_build *b, uint32_t id) {
    const struct setun_tok *k = (const void *)b->in->tokenizer;
    for (uint32_t i = 0; i < k->n_eos; i++)
        if (k->eos[i] == id) return true;
    for (uint32_t i = 0; i < b->n_eot; i++)
        if (b->eot[i] == id) return true;
    if (b->n_eot < SETUN_CHAT_EOTS) b->eot[b->n_eot++] = id;
    return true;
}

static const char *find(struct setun_jinja_text text, const char *word) {
    size_t n = strlen(word);
    for (size_t i = 0; i + n <= text.n; i++)
        if (memcmp(text.at + i, word, n) == 0) return text.at + i;
    return NULL;
}

/* The special token right behind the answer, white space before it not counted. */
static void find_eot(struct chat_build *b, struct setun_jinja_text text) {
    const struct setun_tok *k = (const void *)b->in->tokenizer;
    const struct setun_tok_special *s = (const void *)(b->in->tokenizer + k->specials);
    const char *p = find(text, ANSWER), *end = text.at + text.n;
    uint32_t best = SETUN_NO_TOKEN, longest = 0;
    if (!p) return;
    p += strlen(ANSWER);
    while (p < end && (*p == ' ' || *p == '\n')) p++;
    for (uint32_t i = 0; i < k->n_specials; i++) {
        if (s[i].flags & SETUN_SPECIAL_ALWAYS || s[i].text_bytes <= longest || s[i].text_bytes > (size_t)(end - p))
            continue;
        if (memcmp(p, b->in->tokenizer + s[i].text, s[i].text_bytes) != 0) continue;
        best = s[i].id;
        longest = s[i].text_bytes;
    }
    if (best != SETUN_NO_TOKEN) chat_add_eot(b, best);
}

static bool try_all(struct chat_build *b, struct setun_jinja *t) {
    struct setun_jinja_text out;
    struct setun_jinja_error e;
    /* Many templates take no system prompt, and say so; what the engine lacks is another matter. */
    if (!render(b, t, 0, 2, true, &out, &e) && strstr(e.text, "not supported")) return report(b, &e);
    if (!render(b, t, 1, 1, true, &out, &e)) return report(b, &e);
    if (!find(out, QUESTION)) {
        strcpy(e.text, "a user's message does not appear in what it makes");
        e.line = 0;
        return report(b, &e);
    }
    if (!render(b, t, 1, 3, true, &out, &e)) return report(b, &e);
    find_eot(b, out);
    if (render(b, t, 1, 2, false, &out, &e)) find_eot(b, out);
    return true;
}

bool chat_try(struct chat_build *b) {
    struct setun_jinja_error e;
    struct setun_jinja *t = setun_jinja_open(b->text, b->n, SETUN_JINJA_MEMORY, &e);
    if (!t) return report(b, &e);
    bool ok = try_all(b, t);
    setun_jinja_close(t);
    return ok;
}
