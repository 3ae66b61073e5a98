/*
 * charsmap.c -- SentencePiece's compiled map of characters.
 *
 *     u32 bytes of the trie | the trie: u32 units | texts, each ended by a zero byte
 *
 * The trie is a double array (Darts): from unit u at place p the child of byte b is at p ^ offset(u) ^ b, and it is
 * one if its label is b.  A unit that ends an entry has its value, the place of a text, at p ^ offset(u).  Places are
 * compared with the number of units at each step, texts with their size where one is taken.
 */
#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

#include "runtime/text.h"
#include "runtime/tok/impl.h"
#include "runtime/tok/uchar.h"

struct map {
    const uint8_t *units, *texts;
    size_t n_units, n_texts;
};

static uint32_t load(const uint8_t *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static struct map open_map(const uint8_t *map, size_t bytes) {
    uint32_t trie = load(map);
    return (struct map){.units = map + 4, .texts = map + 4 + trie, .n_units = trie / 4, .n_texts = bytes - 4 - trie};
}

bool setun_charsmap_check(const uint8_t *map, size_t bytes, char *why, size_t why_size) {
    uint32_t trie = bytes >= 4 ? load(map) : 0;
    if (bytes < 9 || trie < 4 || trie % 4 != 0 || trie > bytes - 5 || map[bytes - 1] != 0) {
        snprintf(why, why_size, "map of characters: %u bytes of trie in %zu", trie, bytes);
        return false;
    }
    struct map m = open_map(map, bytes);
    for (size_t i = 0; i < m.n_texts;) {
        int len = setun_utf8_next(m.texts + i, m.n_texts - i);
        if (len <= 0) {
            snprintf(why, why_size, "map of characters: no UTF-8 at byte %zu", i);
            return false;
        }
        i += (size_t)len;
    }
    return true;
}

/* A text that an entry becomes; NULL where the map is wrong. */
static const uint8_t *text_at(const struct map *m, uint32_t value, size_t *n) {
    if (value >= m->n_texts || (m->texts[value] & 0xc0) == 0x80) return NULL; /* inside of a character */
    const uint8_t *at = m->texts + value, *end = memchr(at, 0, m->n_texts - value);
    *n = (size_t)(end - at); /* the last byte is zero */
    return at;
}

struct entry {
    const uint8_t *text;
    size_t n, length; /* of what it stands for */
};

/* The shortest or longest entry that the text begins with; false: none. */
static bool find(const struct map *m, const uint8_t *at, size_t n, bool longest, struct entry *e) {
    bool found = false;
    size_t place = 0;
    uint32_t unit = load(m->units);
    place ^= (size_t)(unit >> 10) << ((unit & 0x200) >> 6);
    for (size_t i = 0; i < n && at[i] != 0; i++) {
        place ^= at[i];
        if (place >= m->n_units) break;
        unit = load(m->units + 4 * place);
        if ((unit & 0x800000ffu) != at[i]) break;
        place ^= (size_t)(unit >> 10) << ((unit & 0x200) >> 6);
        if (!(unit & 0x100)) continue;
        if (place >= m->n_units) break;
        e->text = text_at(m, load(m->units + 4 * place) & 0x7fffffff, &e->n);
        if (!e->text) continue;
        found = true;
        e->length = i + 1;
        if (!longest) break;
    }
    return found;
}

bool setun_charsmap(const uint8_t *map, size_t bytes, const uint8_t *at, size_t n, struct setun_bytes *out) {
    struct map m = open_map(map, bytes);
    struct entry e;
    for (size_t i = 0; i < n;) {
        bool known = find(&m, at + i, n - i, true, &e);
        if (known && (i + e.length == n || (at[i + e.length] & 0xc0) != 0x80)) { /* not inside of a character */
            if (!setun_bytes_put(out, e.text, e.n)) return false;
            i += e.length;
            continue;
        }
        int len = setun_utf8_next(at + i, n - i);
        size_t step = len > 0 ? (size_t)len : 1;
        if (!setun_bytes_put(out, at + i, step)) return false;
        i += step;
    }
    return true;
}

/* The end of the grapheme cluster that begins at `at`. */
static size_t cluster(const uint8_t *at, size_t n) {
    uint32_t c, next;
    int32_t state = 0;
    size_t end = setun_char_at(at, n, &c), len;
    while (end < n && (len = setun_char_at(at + end, n - end, &next)) > 0) {
        if (utf8proc_grapheme_break_stateful((utf8proc_int32_t)c, (utf8proc_int32_t)next, &state)) break;
        c = next;
        end += len;
    }
    return end;
}

/* A whole cluster of less than six bytes if the map has a beginning of it, or else each character. */
bool setun_charsmap_graphemes(const uint8_t *map, size_t bytes, const uint8_t *at, size_t n, struct setun_bytes *out) {
    struct map m = open_map(map, bytes);
    struct entry e;
    for (size_t i = 0, size; i < n; i += size) {
        size = cluster(at + i, n - i);
        if (size == 0) return false;
        if (size < 6 && find(&m, at + i, size, false, &e)) {
            if (!setun_bytes_put(out, e.text, e.n)) return false;
            continue;
        }
        for (size_t k = 0, len; k < size; k += len) {
            uint32_t c;
            len = setun_char_at(at + i + k, size - k, &c);
            bool known = find(&m, at + i + k, len, false, &e);
            if (!setun_bytes_put(out, known ? e.text : at + i + k, known ? e.n : len)) return false;
        }
    }
    return true;
}
