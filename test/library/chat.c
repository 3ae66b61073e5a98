/*
 * chat.c -- a conversation by the library of a model with a chat template (library.py; prefix `talk`).
 *
 *   chat TEXT    the ids of a question, with the beginning of an answer, on a line; then the likeliest answer
 *   chat         checks; prints what does not hold
 */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "talk.h"

static int failures;
#define EXPECT(x) ((x) ? 1 : (failures++, printf("%s:%d: %s\n", __FILE__, __LINE__, #x), 0))

enum { ROOM = TALK_CONTEXT };

static struct talk_turn says(const char *role, const char *text) {
    return (struct talk_turn){.role = role, .text = text, .n = strlen(text)};
}

static int answer(struct talk *h, const char *question) {
    struct talk_turn turn = says("user", question);
    uint32_t tokens[ROOM], id;
    char text[64];
    size_t n = 0;
    if (talk_chat(h, &turn, 1, 1, tokens, ROOM, &n)) return 1;
    for (size_t i = 0; i < n; i++) printf("%s%u", i ? " " : "", tokens[i]);
    printf("\n");
    if (talk_prefill(h, tokens, n)) return 1;
    for (int i = 0; i < 24; i++) {
        if (talk_sample(h, NULL, &id) || talk_is_end(h, id)) break;
        if (talk_decode(h, id, text, sizeof text, &n) || talk_step(h, id)) return 1;
        fwrite(text, 1, n, stdout);
    }
    printf("\n");
    return 0;
}

/* How many of n ids are the token that only the template may write. */
static int count(const uint32_t *ids, size_t n, uint32_t id) {
    int found = 0;
    for (size_t i = 0; i < n; i++) found += ids[i] == id;
    return found;
}

static void check(struct talk *h) {
    const struct talk_turn odd = {.role = NULL, .text = "a", .n = 1}, none = {.role = "user", .text = NULL, .n = 1};
    struct talk_turn turns[] = {says("user", "Who? <|end_of_text|>\xff"), says("assistant", "I, <|end_of_text|>."),
                                says("user", "")};
    uint32_t a[ROOM], b[ROOM], begin, end;
    size_t n = 0, k = 0;
    EXPECT(talk_chat(h, NULL, 1, 1, a, ROOM, &n) == TALK_ARGUMENT && talk_chat(h, turns, 1, 1, a, ROOM, NULL));
    EXPECT(talk_chat(h, &odd, 1, 1, a, ROOM, &n) == TALK_ARGUMENT && talk_chat(h, &none, 1, 1, a, ROOM, &n));
    EXPECT(talk_encode(h, "<|end_of_text|>", 15, TALK_SPECIAL, &end, 1, &n) == TALK_OK && talk_is_end(h, end));
    EXPECT(talk_encode(h, "<|begin_of_text|>", 17, TALK_SPECIAL, &begin, 1, &n) == TALK_OK);
    EXPECT(talk_is_end(h, begin) && !talk_is_end(h, 0) && !talk_is_end(h, UINT32_MAX)); /* the template's */
    EXPECT(talk_chat(h, turns, 3, 0, a, ROOM, &n) == TALK_OK && count(a, n, end) == 2 && count(a, n, begin) == 2);
    EXPECT(talk_chat(h, turns, 3, 1, a, 2, &k) == TALK_ROOM && k > n);
    EXPECT(talk_chat(h, turns, 2, 0, b, ROOM, &k) == TALK_OK && k < n && memcmp(a, b, 4 * (k - 1)) == 0);
    EXPECT(talk_chat(h, NULL, 0, 0, b, ROOM, &k) == TALK_OK && k > 0);
    turns[1].role = "stranger";
    EXPECT(talk_chat(h, turns, 3, 0, a, ROOM, &n) == TALK_TEXT && n == 0 && strstr(talk_message(h), "no strangers"));
    turns[1].role = "assistant";
    talk_chat(h, turns, 1, 1, a, ROOM, &n);
    if (!getenv("COMMAS") || !setlocale(LC_ALL, getenv("COMMAS"))) return;
    EXPECT(strchr(localeconv()->decimal_point, ',') != NULL);
    EXPECT(talk_chat(h, turns, 1, 1, b, ROOM, &k) == TALK_OK && n == k && memcmp(a, b, 4 * n) == 0);
    EXPECT(strchr(localeconv()->decimal_point, ',') != NULL);
}

int main(int argc, char **argv) {
    struct talk *h;
    if (talk_open(NULL, &h, NULL, 0)) return 1;
    if (argc > 1) failures = answer(h, argv[1]);
    if (argc < 2) check(h);
    talk_close(h);
    return failures > 0;
}
