/* chat_file.c -- a conversation as JSON (chat_file.h).  Reading checks the whole file, then takes it. */
#include "runtime/chat_file.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/cmd.h"
#include "runtime/uchar.h"

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

struct json {
    const uint8_t *text;
    size_t n, at;
    const char *wrong; /* what was expected at `at`; NULL: nothing yet */
};

static bool expected(struct json *j, const char *what) {
    if (!j->wrong) j->wrong = what;
    return false;
}

static void skip_space(struct json *j) {
    while (j->at < j->n && memchr(" \t\r\n", j->text[j->at], 4)) j->at++;
}

/* Is the next character c?  Then it is taken. */
static bool take(struct json *j, char c) {
    skip_space(j);
    if (j->at == j->n || j->text[j->at] != (uint8_t)c) return false;
    j->at++;
    return true;
}

static bool hex4(struct json *j, uint32_t *c) {
    *c = 0;
    for (int i = 0; i < 4; i++, j->at++) {
        uint8_t d = j->at < j->n ? j->text[j->at] : 0;
        if (d >= '0' && d <= '9') {
            *c = *c << 4 | (uint32_t)(d - '0');
        } else if ((d | 32) >= 'a' && (d | 32) <= 'f') {
            *c = *c << 4 | (uint32_t)((d | 32) - 'a' + 10);
        } else {
            return expected(j, "four hexadecimal digits");
        }
    }
    return true;
}

/* What follows a backslash. */
static bool escape(struct json *j, uint8_t *out, size_t *n) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    uint32_t c, low;
    uint8_t letter = j->at < j->n ? j->text[j->at] : 0;
    const char *known = letter ? strchr(from, letter) : NULL;
    if (known) {
        j->at++;
        out[(*n)++] = (uint8_t)to[known - from];
        return true;
    }
    if (letter != 'u') return expected(j, "an escape");
    j->at++;
    if (!hex4(j, &c)) return false;
    if (c >= 0xd800 && c < 0xdc00) { /* the first half of a pair */
        if (j->n - j->at < 2 || memcmp(j->text + j->at, "\\u", 2) != 0) return expected(j, "the second half of a pair");
        j->at += 2;
        if (!hex4(j, &low)) return false;
        if (low < 0xdc00 || low > 0xdfff) return expected(j, "the second half of a pair");
        c = 0x10000 + ((c - 0xd800) << 10 | (low - 0xdc00));
    } else if (c >= 0xdc00 && c < 0xe000) {
        return expected(j, "the first half of a pair");
    }
    *n += setun_char_put(c, out + *n);
    return true;
}

/* A string into out, which has room for as many bytes as the file has. */
static bool string(struct json *j, uint8_t *out, size_t *n) {
    *n = 0;
    if (!take(j, '"')) return expected(j, "a string");
    for (;;) {
        if (j->at == j->n || j->text[j->at] < 0x20) return expected(j, "the end of a string");
        uint8_t c = j->text[j->at++];
        if (c == '"') return true;
        if (c != '\\') {
            out[(*n)++] = c;
        } else if (!escape(j, out, n)) {
            return false;
        }
    }
}

static const char *role_of(const uint8_t *at, size_t n) {
    static const char *const roles[] = {"system", "user", "assistant"};
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        if (strlen(roles[i]) == n && memcmp(roles[i], at, n) == 0) return roles[i];
    }
    return NULL;
}

/* One object; content has room for the file's bytes. */
static bool message(struct json *j, const char **role, uint8_t *content, size_t *n) {
    uint8_t *word = content;
    bool has_content = false;
    *role = NULL;
    *n = 0;
    if (!take(j, '{')) return expected(j, "an object");
    for (int i = 0; i < 2; i++) {
        size_t len;
        word = content + *n; /* behind it: both are in the file, so there is room */
        if (i > 0 && !take(j, ',')) return expected(j, "',' and another key");
        if (!string(j, word, &len)) return false;
        bool is_role = len == 4 && memcmp(word, "role", 4) == 0 && !*role;
        bool is_content = len == 7 && memcmp(word, "content", 7) == 0 && !has_content;
        if (!is_role && !is_content) return expected(j, "the keys 'role' and 'content'");
        if (!take(j, ':')) return expected(j, "':'");
        if (!string(j, word, &len)) return false;
        if (is_role && !(*role = role_of(word, len))) return expected(j, "the role system, user or assistant");
        if (is_content) {
            has_content = true;
            *n = len;
        }
    }
    return take(j, '}') || expected(j, "'}'");
}

/* The whole file; c: NULL to look only.  false: j->wrong, or no room in c. */
static bool messages(struct json *j, struct setun_conversation *c, uint8_t *content) {
    j->at = 0;
    if (!take(j, '[')) return expected(j, "a list of messages");
    for (bool first = true; !take(j, ']'); first = false) {
        const char *role;
        size_t n;
        if (!first && !take(j, ',')) return expected(j, "',' or ']'");
        if (!message(j, &role, content, &n)) return false;
        if (c && !setun_conversation_add(c, role, content, n)) return false;
    }
    skip_space(j);
    return j->at == j->n || expected(j, "the end of the file");
}

int setun_chat_load(struct setun_conversation *c, const char *path) {
    char *text = NULL;
    size_t n = 0;
    int code = setun_read_text(path, &text, &n);
    uint8_t *content = code == EXIT_OK ? malloc(n + 4) : NULL;
    struct json j = {.text = (const uint8_t *)text, .n = n};
    if (code == EXIT_OK && !content) code = setun_fail(EXIT_MEMORY, "out of memory");
    if (code == EXIT_OK && !messages(&j, NULL, content)) {
        code = setun_fail(EXIT_REJECTED, "%s: byte %zu: expected %s", path, j.at, j.wrong);
    }
    if (code == EXIT_OK) {
        setun_conversation_clear(c);
        if (!messages(&j, c, content)) {
            setun_conversation_clear(c);
            code = setun_fail(EXIT_REJECTED, "%s: more text than a conversation of this context may have", path);
        }
    }
    free(content);
    free(text);
    return code;
}
