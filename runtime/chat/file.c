/* file.c -- a conversation as JSON (file.h).  Reading checks the whole file, then takes it. */
#include "runtime/chat/file.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/chat/json.h"
#include "runtime/cmd.h"

/* ---- writing ---- */

static void put_string(struct setun_out *out, const uint8_t *text, size_t n) {
    setun_out_write(out, "\"", 1);
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '"' || text[i] == '\\') {
            setun_out_printf(out, "\\%c", text[i]);
        } else if (text[i] < 0x20 || text[i] == 0x7f) {
            setun_out_printf(out, "\\u%04x", text[i]);
        } else {
            setun_out_write(out, &text[i], 1);
        }
    }
    setun_out_write(out, "\"", 1);
}

int setun_chat_save(struct setun_conversation *c, const char *path) {
    struct setun_out out;
    int code = setun_out_open(&out, path);
    for (size_t i = 0; code == EXIT_OK && i < c->in.n_messages; i++) {
        const struct setun_message *m = &c->message[i];
        setun_out_printf(&out, "%s{\"role\": \"%s\", \"content\": ", i > 0 ? ",\n " : "[", m->role.at);
        bool ok = setun_unguard((const uint8_t *)m->content.at, m->content.n, &c->made); /* it has more room */
        put_string(&out, c->made.at, ok ? c->made.n : 0);
        setun_out_printf(&out, "}");
    }
    if (code == EXIT_OK) setun_out_printf(&out, c->in.n_messages > 0 ? "]\n" : "[]\n");
    int closed = setun_out_close(&out, code == EXIT_OK);
    return code != EXIT_OK ? code : closed;
}

/* ---- reading ---- */

static bool add(void *arg, const char *role, const uint8_t *content, size_t n) {
    return setun_conversation_add(arg, role, content, n);
}

int setun_chat_load(struct setun_conversation *c, const char *path) {
    char *text = NULL;
    const char *wrong;
    size_t n = 0, at;
    int code = setun_read_text(path, &text, &n);
    const uint8_t *bytes = (const uint8_t *)text;
    uint8_t *room = code == EXIT_OK ? malloc(n + 4) : NULL;
    if (code == EXIT_OK && !room) code = setun_fail(EXIT_MEMORY, "out of memory");
    if (code == EXIT_OK && !setun_chat_parse(bytes, n, room, NULL, NULL, &at, &wrong)) {
        code = setun_fail(EXIT_REJECTED, "%s: byte %zu: expected %s", path, at, wrong);
    }
    if (code == EXIT_OK) {
        setun_conversation_clear(c);
        if (!setun_chat_parse(bytes, n, room, add, c, &at, &wrong)) {
            setun_conversation_clear(c);
            code = setun_fail(EXIT_REJECTED, "%s: more text than a conversation of this context may have", path);
        }
    }
    free(room);
    free(text);
    return code;
}
