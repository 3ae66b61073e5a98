/* Any bytes as the JSON of a conversation: refused with a place in it, or messages that have room in what they came
 * from. */
#include <stdlib.h>
#include <string.h>

#include "runtime/chat/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct sum {
    size_t bytes, most;
};

static bool add(void *arg, const char *role, const uint8_t *content, size_t n) {
    struct sum *s = arg;
    s->bytes += n + strlen(role);
    if (s->bytes > s->most || (n > 0 && content[n - 1] == 0xff && s->most == 0)) abort(); /* all of it is read */
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    struct sum s = {.most = n};
    const char *wrong;
    size_t at;
    uint8_t *room = malloc(n + 4);
    if (!room) return 0;
    bool ok = setun_chat_parse(data, n, room, add, &s, &at, &wrong);
    if (at > n || ok != (wrong == NULL)) abort();
    free(room);
    return 0;
}
