/* rt_chat_test -- the chat section: what fits is opened and rendered, what does not is refused with its reason. */
#include <stdlib.h>

#include "runtime/chat/chat.h"
#include "test/unit/expect.h"

static const char text[] =
    "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content }}{{ eos_token }}{% endfor %}";

struct section {
    struct setun_chat head;
    char text[256];
};

static struct section section(void) {
    struct section s = {.head = {.magic = SETUN_CHAT_MAGIC, .n_eot = 1, .n_stops = 1, .eot = {7}}};
    uint32_t at = sizeof s.head;
    memcpy(s.text, text, sizeof text - 1);
    s.head.jinja = (struct setun_chat_text){at, sizeof text - 1};
    memcpy(s.text + 200, "<s></s>Human:", 13);
    s.head.bos = (struct setun_chat_text){at + 200, 3};
    s.head.eos = (struct setun_chat_text){at + 203, 4};
    s.head.stop[0] = (struct setun_chat_text){at + 207, 6};
    return s;
}

static bool opens(const struct section *s, uint64_t bytes, char why[256]) {
    struct setun_template t;
    /* a copy of exactly that many bytes, so that a sanitizer sees a step beyond */
    void *copy = malloc(bytes > 0 ? bytes : 1);
    memcpy(copy, s, bytes);
    bool ok = setun_chat_open(&t, copy, bytes, 10, why, 256);
    setun_chat_close(&t);
    free(copy);
    return ok;
}

static void whole(void) {
    struct section s = section();
    struct setun_template t;
    char why[256] = "";
    struct setun_message m[] = {{{"user", 4}, {"hi", 2}}};
    struct setun_jinja_input in = {.messages = m, .n_messages = 1};
    struct setun_jinja_text out;
    if (!EXPECT(setun_chat_open(&t, &s, sizeof s, 10, why, sizeof why))) return;
    EXPECT(setun_chat_is_eot(t.chat, 7) && !setun_chat_is_eot(t.chat, 8));
    EXPECT(setun_chat_stop(&t, 0).n == 6 && memcmp(setun_chat_stop(&t, 0).at, "Human:", 6) == 0);
    EXPECT(setun_chat_render(&t, &in, &out, why, sizeof why));
    EXPECT_STR(out.at, "<s>[user]hi</s>");
    setun_chat_close(&t);
}

static void refused(void) {
    char why[256] = "";
    struct section s = section();
    EXPECT(opens(&s, sizeof s, why));
    EXPECT(!opens(&s, 0, why));
    EXPECT_STR(why, "this model has no chat template");
    for (uint64_t n = 1; n < sizeof s; n++)
        if (n < sizeof s.head + 213) EXPECT(!opens(&s, n, why));
    uint32_t *words = (uint32_t *)&s.head;
    /* every field one after the other: whatever it says, the section is opened or refused, and never left */
    for (size_t i = 0; i < sizeof s.head / 4; i++) {
        static const uint32_t values[] = {0, 1, 5, 17, 255, 0x7fffffff, 0xffffffff, 0xffffffff - 200};
        for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
            uint32_t before = words[i];
            words[i] = values[v];
            opens(&s, sizeof s, why);
            words[i] = before;
        }
    }
    s.head.eot[0] = 10;
    EXPECT(!opens(&s, sizeof s, why));
    EXPECT_STR(why, "the chat section names a token that the model does not have");
    s = section();
    memcpy(s.text, "{% x %}", 7);
    EXPECT(!opens(&s, sizeof s, why));
    EXPECT_STR(why, "chat template, line 1: the tag 'x' is not supported");
}

int main(void) {
    whole();
    refused();
    return expect_end();
}
