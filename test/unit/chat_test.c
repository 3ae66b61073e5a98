/* chat_test -- where a chat template is found, what is told of bos, eos and ends of answers, what is refused. */
#include "test/unit/readers.h"

#include "base/file.h"
#include "frontend/chat/chat.h"
#include "frontend/tokenizer/tokenizer.h"
#include "lang/lang.h"
#include "runtime/chat/chat.h"

#define CHATML                                                                                                         \
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>' + '\\n' }}{% endfor %}"      \
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
enum { VOCAB = 1026, IM_START = 1024, IM_END = 1025, EOS = 1023 };

/* The tokenizer of the bundled model with two more special tokens. */
static void put_tokenizer(void) {
    struct heard h;
    hear(&h);
    char *text;
    size_t n;
    struct buf out = {0};
    if (!EXPECT(file_read(h.diag, h.arena, "models/shakespeare/tokenizer.json", 1 << 20, &text, &n))) return;
    char *list = strstr(text, "\"added_tokens\"");
    list = list ? strchr(list, '[') : NULL;
    if (!EXPECT(list != NULL)) return;
    buf_put(&out, text, (size_t)(list + 1 - text));
    buf_printf(&out, "{\"id\":%d,\"content\":\"<|im_start|>\",\"special\":true},", IM_START);
    buf_printf(&out, "{\"id\":%d,\"content\":\"<|im_end|>\",\"special\":true},", IM_END);
    buf_put(&out, list + 1, n - (size_t)(list + 1 - text));
    put_file("tokenizer.json", out.at, out.n);
    buf_free(&out);
    unhear(&h);
}

struct result {
    struct heard h;
    struct setun_template t;
    uint8_t *section;
    size_t n;
    bool ok, open;
};

/* Reads with the files of the folder, a template file and the section `chat` of a model text. */
static void read_it(struct result *r, const char *file, const char *page) {
    struct chat_input in = {.file = file, .folder = readers_folder};
    struct config_values config = {.bos = -1};
    uint8_t *tokenizer;
    char why[256] = "";
    *r = (struct result){0};
    hear(&r->h);
    in.diag = r->h.diag;
    in.arena = r->h.arena;
    if (!EXPECT(tokenizer_read(in.diag, in.arena, path_of("tokenizer.json"), &config, VOCAB, &tokenizer,
                               &in.tokenizer_bytes)))
        return;
    in.tokenizer = tokenizer;
    if (page) {
        uint32_t id = diag_add_text(in.diag, "page.stn", page, strlen(page));
        struct ast_model *m = lang_parse(in.diag, in.arena, names_new(in.arena), id, page, strlen(page));
        if (!EXPECT(m && m->items)) return;
        in.page = m->items;
    }
    r->ok = chat_read(&in, &r->section, &r->n);
    r->open = r->ok && r->n > 0 && EXPECT(setun_chat_open(&r->t, r->section, r->n, VOCAB, why, sizeof why));
}

static void done(struct result *r) {
    if (r->open) setun_chat_close(&r->t);
    unhear(&r->h);
}

static const struct setun_message talk[] = {{{"user", 4}, {"Hi", 2}}, {{"assistant", 9}, {"Ho", 2}}};

static void renders(struct result *r, size_t n, const char *want) {
    struct setun_jinja_input in = {.messages = talk, .n_messages = n, .add_generation_prompt = n == 1};
    struct setun_jinja_text out;
    char why[256] = "";
    if (!EXPECT(r->open)) return;
    EXPECT(setun_chat_render(&r->t, &in, &out, why, sizeof why));
    EXPECT_STR(why, "");
    EXPECT_STR(out.at, want);
}

/* ---- places, the strongest first; each is taken away when it has been seen ---- */

static void places(void) {
    struct result r;
    read_it(&r, NULL, NULL);
    EXPECT(r.ok && r.n == 0);
    done(&r);
    put_text("tokenizer_config.json", "{\"chat_template\": \"config {{ messages[0].content }}\"}");
    read_it(&r, NULL, NULL);
    renders(&r, 1, "config Hi");
    done(&r);
    put_text("tokenizer_config.json",
             "{\"chat_template\": [{\"name\": \"tool_use\", \"template\": \"{% x %}\"}, {\"name\": \"default\", "
             "\"template\": \"named {{ messages[0].content }}\"}]}");
    read_it(&r, NULL, NULL);
    renders(&r, 1, "named Hi");
    done(&r);
    put_text("chat_template.jinja", "file {{ messages[0].content }}\n");
    read_it(&r, NULL, NULL);
    renders(&r, 1, "file Hi");
    done(&r);
    read_it(&r, NULL, "model m; chat { stop = \"Human:\"; }");
    renders(&r, 1, "file Hi");
    EXPECT(r.open && r.t.chat->n_stops == 1 && setun_chat_stop(&r.t, 0).n == 6);
    done(&r);
    read_it(&r, NULL, "model m; chat { user = \"'U'\\n{}\"; reply = \"\\\\nA{}.\"; stop = [\"x\", \"y\"]; }");
    renders(&r, 1, "<|begin_of_text|>'U'\nHi\\nA");
    renders(&r, 2, "<|begin_of_text|>'U'\nHi\\nAHo.");
    EXPECT(r.open && r.t.chat->n_stops == 2);
    done(&r);
    put_text("mine.jinja", "mine {{ messages[0].content }}");
    read_it(&r, path_of("mine.jinja"), "model m; chat { user = \"{}\"; reply = \"{}\"; }");
    renders(&r, 1, "mine Hi");
    done(&r);
    read_it(&r, "none", "model m; chat { user = \"{}\"; reply = \"{}\"; }");
    EXPECT(r.ok && r.n == 0);
    done(&r);
}

/* ---- tokens ---- */

static void tokens(void) {
    struct result r;
    put_text("chat_template.jinja",
             "{{ bos_token }}|{{ eos_token }}|{{ bos_token is defined }}{{ messages[0].content }}");
    put_text("tokenizer_config.json", "{}");
    read_it(&r, NULL, NULL); /* nothing said: the tokenizer's own */
    renders(&r, 1, "<|begin_of_text|>||TrueHi");
    done(&r);
    put_text("special_tokens_map.json",
             "{\"bos_token\": \"<|im_start|>\", \"eos_token\": {\"content\": \"<|im_end|>\"}}");
    read_it(&r, NULL, NULL);
    renders(&r, 1, "<|im_start|>|<|im_end|>|TrueHi");
    done(&r);
    put_text("tokenizer_config.json", "{\"bos_token\": null, \"eos_token\": \"<|end_of_text|>\"}");
    read_it(&r, NULL, NULL);
    renders(&r, 1, "|<|end_of_text|>|FalseHi");
    EXPECT(r.open && r.t.chat->n_eot == 0);
    done(&r);
    put_text("chat_template.jinja", CHATML);
    read_it(&r, NULL, NULL);
    renders(&r, 1, "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
    EXPECT(r.open && r.t.chat->n_eot == 1 && r.t.chat->eot[0] == IM_END);
    done(&r);
    /* what ends an answer is the tokenizer's end already */
    put_text("chat_template.jinja", "{% for m in messages %}{{ m.content }} <|end_of_text|>{% endfor %}");
    read_it(&r, NULL, NULL);
    EXPECT(r.open && r.t.chat->n_eot == 0);
    done(&r);
    remove_file("special_tokens_map.json");
    remove_file("tokenizer_config.json");
}

/* ---- refusals ---- */

static void refuse(const char *file, const char *text, const char *page, const char *message, const char *slug) {
    struct result r;
    put_text(file, text);
    read_it(&r, NULL, page);
    EXPECT(!r.ok);
    char tail[80];
    snprintf(tail, sizeof tail, "[%s]", slug);
    bool told = diag_errors(r.h.diag) == 1 && strstr(heard_text(&r.h), message) && strstr(heard_text(&r.h), tail);
    if (!EXPECT(told)) printf("expected %s [%s], got\n%s", message, slug, heard_text(&r.h));
    done(&r);
}

static void refused(void) {
    const char *jinja = "chat_template.jinja";
    refuse(jinja, "a\n{{ messages | groupby('role') }}", NULL,
           "chat_template.jinja, line 2: error: chat template: the filter 'groupby' is not supported", "chat-template");
    refuse(jinja, "{{ messages[0].content }}{% block x %}{% endblock %}", NULL,
           "line 1: error: chat template: the tag 'block'", "chat-template");
    /* met only when it runs, and there only by a system prompt */
    refuse(jinja,
           "{% if messages[0].role == 'system' %}\n{{ messages[0].role % 1 }}{% endif %}{{ messages[-1].content }}",
           NULL, "line 2: error: chat template: formatting with '%' is not supported", "chat-template");
    refuse(jinja, "{% if messages[0].role == 'user' %}{{ raise_exception('no users') }}{% endif %}", NULL, "no users",
           "chat-template");
    refuse(jinja, "hello", NULL, "a user's message does not appear", "chat-template");
    refuse(jinja, CHATML, "model m; chat { user = \"a\"; reply = \"{}\"; }", "'user' wants one {} for the message",
           "chat-field");
    refuse(jinja, CHATML, "model m; chat { user = \"{}\"; }", "'chat' wants both 'user' and 'reply'", "chat-field");
    refuse(jinja, CHATML, "model m; chat { user = 1; reply = \"{}\"; }", "'user' wants a text", "chat-field");
    refuse(jinja, CHATML, "model m; chat { stop = [\"\"]; }", "'stop' wants at most 16 texts, none empty",
           "chat-field");
    remove_file(jinja);
    refuse("tokenizer_config.json", "{\"chat_template\": 1}", NULL,
           "key 'chat_template': error: expected a string or a list, found an integer", "json-type");
    refuse("tokenizer_config.json", "{\"chat_template\": [{\"name\": \"rag\", \"template\": \"x\"}]}", NULL,
           "none of the templates is called 'default'", "chat-no-default");
    refuse(
        "tokenizer_config.json", "{\"chat_template\": \"{% if %}\"}", NULL,
        "tokenizer_config.json: key 'chat_template', line 1: error: chat template: expected an expression, found '%}'",
        "chat-template");
}

int main(void) {
    readers_start();
    put_tokenizer();
    places();
    tokens();
    refused();
    readers_end();
    return expect_end();
}
