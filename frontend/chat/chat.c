/* chat.c -- see chat.h: the steps, and the section as it is written. */
#include "frontend/chat/chat.h"

#include <string.h>

#include "frontend/chat/impl.h"

struct setun_jinja_text chat_token(const struct chat_build *b, uint32_t id) {
    const uint8_t *at = b->in->tokenizer;
    const struct setun_tok *k = (const struct setun_tok *)(const void *)at;
    if (id >= k->n_tokens) return (struct setun_jinja_text){0};
    const struct setun_tok_special *s = (const void *)(at + k->specials);
    for (uint32_t i = 0; i < k->n_specials; i++)
        if (s[i].id == id) return (struct setun_jinja_text){(const char *)at + s[i].text, s[i].text_bytes};
    const uint32_t *index = (const void *)(at + k->index);
    return (struct setun_jinja_text){(const char *)at + k->bytes + index[id], index[id + 1] - index[id]};
}

static struct setun_chat_text put(struct buf *out, struct setun_jinja_text text) {
    if (!text.at) return (struct setun_chat_text){0};
    struct setun_chat_text t = {(uint32_t)out->n, (uint32_t)text.n};
    buf_put(out, text.at, text.n);
    return t;
}

static void write_section(const struct chat_build *b, uint8_t **section, size_t *bytes) {
    struct setun_chat head = {.magic = SETUN_CHAT_MAGIC, .n_eot = b->n_eot, .n_stops = b->n_stops};
    struct buf out = {0};
    buf_put(&out, &head, sizeof head);
    head.jinja = put(&out, (struct setun_jinja_text){b->text, b->n});
    head.bos = put(&out, b->bos);
    head.eos = put(&out, b->eos);
    for (uint32_t i = 0; i < b->n_stops; i++)
        head.stop[i] = put(&out, (struct setun_jinja_text){b->stop[i], strlen(b->stop[i])});
    memcpy(head.eot, b->eot, sizeof head.eot);
    memcpy(out.at, &head, sizeof head);
    *bytes = out.n;
    *section = arena_alloc(b->in->arena, out.n);
    memcpy(*section, out.at, out.n);
    buf_free(&out);
}

bool chat_read(const struct chat_input *in, uint8_t **section, size_t *bytes) {
    struct chat_build b = {.in = in};
    *section = NULL;
    *bytes = 0;
    if (in->tokenizer_bytes == 0 && !in->file) return true;
    if (in->tokenizer_bytes == 0)
        return strcmp(in->file, "none") == 0 || diag_in(in->diag, in->file, DIAG_CHAT_NO_TOKENIZER);
    if (!chat_find(&b)) return false;
    if (!b.text) return true;
    if (!chat_find_tokens(&b) || !chat_try(&b)) return false;
    write_section(&b, section, bytes);
    return true;
}
