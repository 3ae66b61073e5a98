/* chat.c -- see chat.h. */
#include "runtime/chat/chat.h"

#include <stdio.h>
#include <string.h>

static bool text_fits(struct setun_chat_text t, uint64_t bytes) {
    if (t.offset == 0) return t.bytes == 0;
    return t.offset >= sizeof(struct setun_chat) && t.offset <= bytes && t.bytes <= bytes - t.offset;
}

const char *setun_chat_wrong(const struct setun_chat *c, uint64_t bytes, uint32_t n_tokens) {
    if (bytes == 0) return "this model has no chat template";
    if (bytes < sizeof *c) return "the chat section is too short";
    if (c->magic != SETUN_CHAT_MAGIC) return "the chat section has another magic number";
    if (c->n_eot > SETUN_CHAT_EOTS || c->n_stops > SETUN_CHAT_STOPS) return "the chat section has too many ends";
    for (uint32_t i = 0; i < c->n_eot; i++)
        if (c->eot[i] >= n_tokens) return "the chat section names a token that the model does not have";
    bool fits = text_fits(c->jinja, bytes) && text_fits(c->bos, bytes) && text_fits(c->eos, bytes);
    for (uint32_t i = 0; i < c->n_stops; i++) fits = fits && c->stop[i].bytes > 0 && text_fits(c->stop[i], bytes);
    if (!fits) return "a text does not lie in the chat section";
    return c->jinja.offset == 0 ? "this model has no chat template" : NULL;
}

struct setun_jinja_text setun_chat_text(const struct setun_template *t, struct setun_chat_text text) {
    if (text.offset == 0) return (struct setun_jinja_text){0};
    return (struct setun_jinja_text){(const char *)t->chat + text.offset, text.bytes};
}

static void tell(const struct setun_jinja_error *e, char *why, size_t why_size) {
    if (e->line)
        snprintf(why, why_size, "chat template, line %u: %s", e->line, e->text);
    else
        snprintf(why, why_size, "chat template: %s", e->text);
}

bool setun_chat_open(struct setun_template *t, const void *section, uint64_t bytes, uint32_t n_tokens, char *why,
                     size_t why_size) {
    struct setun_jinja_error e;
    const char *wrong = setun_chat_wrong(section, bytes, n_tokens);
    *t = (struct setun_template){section, NULL};
    if (wrong) {
        snprintf(why, why_size, "%s", wrong);
        return false;
    }
    struct setun_jinja_text text = setun_chat_text(t, t->chat->jinja);
    t->jinja = setun_jinja_open(text.at, text.n, SETUN_JINJA_MEMORY, &e);
    if (!t->jinja) tell(&e, why, why_size);
    return t->jinja != NULL;
}

void setun_chat_close(struct setun_template *t) {
    setun_jinja_close(t->jinja);
    t->jinja = NULL;
}

bool setun_chat_is_eot(const struct setun_chat *c, uint32_t id) {
    for (uint32_t i = 0; i < c->n_eot; i++)
        if (c->eot[i] == id) return true;
    return false;
}

bool setun_chat_render(struct setun_template *t, const struct setun_jinja_input *in, struct setun_jinja_text *out,
                       char *why, size_t why_size) {
    struct setun_jinja_error e;
    struct setun_jinja_input with = *in;
    with.bos = setun_chat_text(t, t->chat->bos);
    with.eos = setun_chat_text(t, t->chat->eos);
    bool ok = setun_jinja_render(t->jinja, &with, out, &e);
    if (!ok) tell(&e, why, why_size);
    return ok;
}
