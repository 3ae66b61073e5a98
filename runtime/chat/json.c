/* json.c -- reads a conversation written as JSON (json.h): no more of JSON than that. */
#include "runtime/chat/json.h"

#include <string.h>

#include "runtime/tok/uchar.h"

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

static bool messages(struct json *j, uint8_t *content, setun_chat_message_fn *fn, void *arg) {
    if (!take(j, '[')) return expected(j, "a list of messages");
    for (bool first = true; !take(j, ']'); first = false) {
        const char *role;
        size_t n;
        if (!first && !take(j, ',')) return expected(j, "',' or ']'");
        if (!message(j, &role, content, &n)) return false;
        if (fn && !fn(arg, role, content, n)) return false;
    }
    skip_space(j);
    return j->at == j->n || expected(j, "the end of the file");
}

bool setun_chat_parse(const uint8_t *text, size_t n, uint8_t *room, setun_chat_message_fn *fn, void *arg, size_t *at,
                      const char **wrong) {
    struct json j = {.text = text, .n = n};
    bool ok = messages(&j, room, fn, arg);
    *at = j.at;
    *wrong = j.wrong;
    return ok;
}
