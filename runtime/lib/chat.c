/*
 * chat.c -- a conversation to tokens, by the model's own template (lib.h, docs/chat.md).
 *
 * As in `chat` of an executable: messages are guarded (guard.h), so what is written in them is never a special token.
 * The template is parsed for each call; its memory, like the tokenizer's, is given back.
 */
#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/chat/chat.h"
#include "runtime/cpu.h"
#include "runtime/guard.h"
#include "runtime/lib/impl.h"

typedef struct setun_lib_turn turn;

struct work {
    struct setun_template chat;
    struct setun_message *message;
    uint8_t *text; /* of all messages, guarded */
    struct setun_marked made;
    struct setun_ids ids;
};

static void give_back(struct work *w) {
    setun_chat_close(&w->chat);
    setun_ids_free(&w->ids);
    free(w->message);
    free(w->text);
    free(w->made.at);
    free(w->made.mark);
}

static int check(struct setun_lib *h, const turn *turns, size_t n, uint64_t *bytes) {
    *bytes = 0;
    for (size_t i = 0; i < n; i++) {
        if (!turns[i].role || (!turns[i].text && turns[i].n)) {
            return setun_lib_fail(h, SETUN_LIB_ARGUMENT, "turn %zu has no role or no text", i);
        }
        if (!setun_add(bytes, *bytes, turns[i].n) || *bytes > SIZE_MAX / 8) {
            return setun_lib_fail(h, SETUN_LIB_MEMORY, "out of memory");
        }
    }
    return SETUN_LIB_OK;
}

static void guard(const struct setun_lib *h, struct work *w, const turn *turns, size_t n) {
    uint8_t *at = w->text;
    for (size_t i = 0; i < n; i++) {
        struct setun_message *m = &w->message[i];
        m->role = (struct setun_jinja_text){.at = turns[i].role, .n = strlen(turns[i].role)};
        m->content.at = (const char *)at;
        m->content.n = turns[i].n ? setun_guard(&h->tok, (const uint8_t *)turns[i].text, turns[i].n, at) : 0;
        at += m->content.n;
    }
}

/* What was rendered, without the stand-ins.  false: no memory. */
static bool unguard(struct work *w, const struct setun_jinja_text *out) {
    w->made = (struct setun_marked){.cap = out->n + 8, .mark_cap = out->n + 1};
    w->made.at = malloc(w->made.cap);
    w->made.mark = calloc(w->made.mark_cap, sizeof *w->made.mark);
    return w->made.at && w->made.mark && setun_unguard((const uint8_t *)out->at, out->n, &w->made);
}

static int make(struct setun_lib *h, struct work *w, const turn *turns, size_t n, int answer) {
    uint64_t bytes, section_bytes;
    char why[512];
    struct setun_jinja_text out;
    const void *section = setun_pack_section(&h->pack, SETUN_SEC_CHAT, &section_bytes);
    int error = check(h, turns, n, &bytes);
    if (error != SETUN_LIB_OK) return error;
    errno = 0;
    w->message = calloc(n + 1, sizeof *w->message);
    w->text = malloc(SETUN_GUARDED(bytes) + 1);
    if (!w->message || !w->text) return setun_lib_fail(h, SETUN_LIB_MEMORY, "out of memory");
    if (!setun_chat_open(&w->chat, section, section_bytes, h->tok.tok->n_tokens, why, sizeof why)) {
        return setun_lib_fail(h, setun_lib_memory_or(SETUN_LIB_DAMAGED), "%s", why);
    }
    guard(h, w, turns, n);
    struct setun_jinja_input in = {.messages = w->message, .n_messages = n, .add_generation_prompt = answer};
    if (!setun_chat_render(&w->chat, &in, &out, why, sizeof why)) {
        return setun_lib_fail(h, setun_lib_memory_or(SETUN_LIB_TEXT), "%s", why);
    }
    if (!unguard(w, &out)) return setun_lib_fail(h, SETUN_LIB_MEMORY, "out of memory");
    if (setun_encode_marked(&h->tok, w->made.at, w->made.n, w->made.mark, w->made.n_marks, &w->ids, why, sizeof why)) {
        return SETUN_LIB_OK;
    }
    return setun_lib_fail(h, setun_lib_memory_or(SETUN_LIB_TEXT), "the conversation cannot be turned into tokens: %s",
                          why);
}

SETUN_LIB_INSIDE int chat(struct setun_lib *h, const turn *turns, size_t n, int answer, uint32_t *tokens, size_t room,
                          size_t *count) {
    struct work w = {.message = NULL};
    if ((!turns && n) || (!tokens && room) || !count) {
        return setun_lib_fail(h, SETUN_LIB_ARGUMENT, "turns, tokens or count is none");
    }
    *count = 0;
    if (!h->chat) return setun_lib_fail(h, SETUN_LIB_LACKS, "this model has no chat template");
    int error = make(h, &w, turns, n, answer);
    if (error == SETUN_LIB_OK) error = setun_lib_ids(h, &w.ids, tokens, room, count);
    give_back(&w);
    return error;
}

int setun_lib_chat(struct setun_lib *h, const turn *turns, size_t n, int answer, uint32_t *tokens, size_t room,
                   size_t *count) {
    if (!h) return SETUN_LIB_ARGUMENT;
    uint64_t mode = setun_lib_enter(h);
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0), before = uselocale(plain); /* a template has numbers */
    int error = chat(h, turns, n, answer, tokens, room, count);
    uselocale(before);
    if (plain) freelocale(plain);
    setun_cpu_float_restore(mode);
    return error;
}
