/* text.c -- text to tokens and back (lib.h). */
#include <errno.h>
#include <string.h>

#include "runtime/chat/chat.h"
#include "runtime/cpu.h"
#include "runtime/lib/impl.h"

static int lacks(struct setun_lib *h) { return setun_lib_fail(h, SETUN_LIB_LACKS, "this model has no tokenizer"); }

static int no_room(struct setun_lib *h, size_t room, size_t needed) {
    return setun_lib_fail(h, SETUN_LIB_ROOM, "there is room for %zu, %zu are needed", room, needed);
}

static int all_ids(struct setun_lib *h, const char *text, size_t n, unsigned how, struct setun_ids *ids) {
    const struct setun_tok *k = h->tok.tok;
    bool begin = (how & SETUN_LIB_BEGIN) && (k->flags & SETUN_TOK_ADD_BOS) && k->bos != SETUN_NO_TOKEN;
    bool end = (how & SETUN_LIB_END) && (k->flags & SETUN_TOK_ADD_EOS) && k->end != SETUN_NO_TOKEN;
    char why[256];
    errno = 0;
    if (begin && !setun_ids_push(ids, k->bos)) return setun_lib_fail(h, SETUN_LIB_MEMORY, "out of memory");
    if (!setun_encode(&h->tok, (const uint8_t *)text, n, how & SETUN_LIB_SPECIAL, ids, why, sizeof why)) {
        return setun_lib_fail(h, setun_lib_memory_or(SETUN_LIB_TEXT), "the text cannot be turned into tokens: %s", why);
    }
    if (end && !setun_ids_push(ids, k->end)) return setun_lib_fail(h, SETUN_LIB_MEMORY, "out of memory");
    return SETUN_LIB_OK;
}

int setun_lib_ids(struct setun_lib *h, const struct setun_ids *ids, uint32_t *tokens, size_t room, size_t *count) {
    *count = ids->n;
    if (ids->n > room) return no_room(h, room, ids->n);
    if (ids->n) memcpy(tokens, ids->at, ids->n * sizeof *tokens);
    return SETUN_LIB_OK;
}

SETUN_LIB_INSIDE int encode(struct setun_lib *h, const char *text, size_t n, unsigned how, uint32_t *tokens,
                            size_t room, size_t *count) {
    struct setun_ids ids = {0};
    if ((!text && n) || (!tokens && room) || !count || how > 7) {
        return setun_lib_fail(h, SETUN_LIB_ARGUMENT, "text, tokens, count or how is none");
    }
    *count = 0;
    if (!h->tok.tok) return lacks(h);
    int error = all_ids(h, n ? text : "", n, how, &ids);
    if (error == SETUN_LIB_OK) error = setun_lib_ids(h, &ids, tokens, room, count);
    setun_ids_free(&ids);
    return error;
}

int setun_lib_encode(struct setun_lib *h, const char *text, size_t n, unsigned how, uint32_t *tokens, size_t room,
                     size_t *count) {
    if (!h) return SETUN_LIB_ARGUMENT;
    uint64_t mode = setun_lib_enter(h);
    int error = encode(h, text, n, how, tokens, room, count);
    setun_cpu_float_restore(mode);
    return error;
}

int setun_lib_decode(struct setun_lib *h, uint32_t token, char *text, size_t room, size_t *count) {
    if (!h) return SETUN_LIB_ARGUMENT;
    h->message[0] = 0;
    if ((!text && room) || !count) return setun_lib_fail(h, SETUN_LIB_ARGUMENT, "text or count is none");
    *count = 0;
    if (!h->tok.tok) return lacks(h);
    if (token >= h->n.e.vocab) {
        return setun_lib_fail(h, SETUN_LIB_ARGUMENT, "token id %u is outside the vocabulary of %u", token,
                              h->n.e.vocab);
    }
    struct setun_decoder d = {.t = &h->tok};
    uint32_t bytes;
    setun_tok_text(&h->tok, token, &bytes); /* as text it has no more */
    if (setun_tok_is_special(&h->tok, token)) bytes = 0;
    *count = bytes;
    if (bytes > room) return no_room(h, room, bytes);
    if (bytes) *count = setun_decode(&d, token, (uint8_t *)text);
    return SETUN_LIB_OK;
}

uint32_t setun_lib_token_bytes(const struct setun_lib *h) { return h && h->tok.tok ? h->tok.longest : 0; }

int setun_lib_is_end(const struct setun_lib *h, uint32_t token) {
    if (!h || !h->tok.tok) return 0;
    return setun_tok_is_eos(&h->tok, token) || (h->chat && setun_chat_is_eot(h->chat, token));
}
