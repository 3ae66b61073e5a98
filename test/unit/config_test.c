/* config.json and --set: values by the names of model texts, and each way a file can be wrong. */
#include "test/unit/readers.h"

#include "base/compiler.h"
#include "frontend/files/config.h"

static const char good[] =
    "{\"model_type\":\"x\",\"vocab_size\":1024,\"hidden_size\":256,\"intermediate_size\":704,"
    "\"num_hidden_layers\":6,\"num_attention_heads\":8,\"num_key_value_heads\":2,\"hidden_act\":\"relu2\","
    "\"max_position_embeddings\":512,\"rms_norm_eps\":1e-5,\"rope_theta\":500000,\"tie_word_embeddings\":true,"
    "\"bos_token_id\":1022,\"eos_token_id\":[1023,1021],\"sliding_window\":null,\"my_ratio\":0.5,\"sub_heads\":3,"
    "\"rope_scaling\":null,\"use_cache\":false,\"odd key\":1,"
    "\"quantization_config\":{\"quant_method\":\"x\",\"linear_class\":\"autobitlinear\"}}";

static bool read_text(struct heard *h, const char *text, struct config_values *c) {
    put_text("config.json", text);
    hear(h);
    return config_read(h->diag, h->arena, path_of("config.json"), c);
}

static int64_t int_of(const struct config_values *c, const char *name) {
    const struct config_value *v = config_find(c, name);
    return v && v->is_int ? v->i : -1;
}

static void values(void) {
    struct heard h;
    struct config_values c;
    EXPECT(read_text(&h, good, &c));
    heard_none(&h, "good");
    EXPECT(int_of(&c, "hidden") == 256 && int_of(&c, "kv_heads") == 2 && int_of(&c, "context") == 512);
    EXPECT(int_of(&c, "sub_heads") == 3 && int_of(&c, "use_cache") == 0 && int_of(&c, "tied") == 1);
    const struct config_value *theta = config_find(&c, "theta"), *ratio = config_find(&c, "my_ratio");
    EXPECT(theta && !theta->is_int && theta->real == 500000.0 && strcmp(theta->key, "rope_theta") == 0);
    EXPECT(ratio && !ratio->is_int && ratio->real == 0.5);
    EXPECT(int_of(&c, "num_hidden_layers") == 6 && config_find(&c, "rope_theta") == theta);
    EXPECT(!config_find(&c, "head") && !config_find(&c, "window") && !config_find(&c, "odd key"));
    EXPECT(c.tied && !c.scale_divides && c.bos == 1022 && c.n_eos == 2 && c.eos[1] == 1021);
    EXPECT_STR(c.hidden_act, "relu2");
    EXPECT_STR(config_key("ffn"), "intermediate_size");
    EXPECT_STR(config_key("sub_heads"), "sub_heads");
    unhear(&h);
    EXPECT(read_text(&h, "{\"rope_parameters\":{\"rope_theta\":7,\"rope_type\":\"default\"}}", &c));
    EXPECT(config_find(&c, "theta") && config_find(&c, "theta")->real == 7 && c.scale_divides && c.bos == -1);
    unhear(&h);
    EXPECT(read_text(&h,
                     "{\"hidden_activation\":\"gelu\",\"layer_types\":[\"sliding_attention\",\"full_attention\","
                     "\"sliding_attention\"],"
                     "\"quantization_config\":{\"rms_norm_eps\":0.25}}",
                     &c));
    EXPECT(int_of(&c, "sliding_window_pattern") == 2 && config_find(&c, "linear_eps")->real == 0.25);
    EXPECT_STR(c.hidden_act, "gelu");
    unhear(&h);
    EXPECT(read_text(&h, "{\"layer_types\":[\"full_attention\",\"full_attention\"]}", &c));
    EXPECT(int_of(&c, "sliding_window_pattern") == 1);
    unhear(&h);
}

static const struct {
    const char *what, *text, *slug;
    enum setun_exit code;
} wrong[] = {
    {"layers without a period", "{\"layer_types\":[\"sliding_attention\",\"full_attention\",\"full_attention\"]}",
     "config-layer-types", EXIT_UNSUPPORTED},
    {"layers of another kind", "{\"layer_types\":[\"linear_attention\"]}", "config-layer-types", EXIT_UNSUPPORTED},
    {"layers of numbers", "{\"layer_types\":[3]}", "config-layer-types", EXIT_UNSUPPORTED},
    {"layers are no list", "{\"layer_types\":3}", "json-type", EXIT_REJECTED},
    {"not JSON", "{\"vocab_size\":", "bad-json", EXIT_REJECTED},
    {"empty", "", "bad-json", EXIT_REJECTED},
    {"a list", "[]", "json-type", EXIT_REJECTED},
    {"key twice", "{\"a\":1,\"a\":1}", "bad-json", EXIT_REJECTED},
    {"text for a number", "{\"hidden_size\":\"256\"}", "json-type", EXIT_REJECTED},
    {"real for an integer", "{\"hidden_size\":256.0}", "json-type", EXIT_REJECTED},
    {"zero", "{\"hidden_size\":0}", "json-range", EXIT_REJECTED},
    {"negative", "{\"num_hidden_layers\":-1}", "json-range", EXIT_REJECTED},
    {"too large", "{\"vocab_size\":2147483648}", "json-range", EXIT_REJECTED},
    {"beyond 64 bits", "{\"vocab_size\":99999999999999999999}", "bad-json", EXIT_REJECTED},
    {"eps not positive", "{\"rms_norm_eps\":0}", "config-not-positive", EXIT_REJECTED},
    {"theta not finite", "{\"rope_theta\":1e999}", "bad-json", EXIT_REJECTED},
    {"heads", "{\"num_attention_heads\":8,\"num_key_value_heads\":3}", "config-divides", EXIT_REJECTED},
    {"hidden", "{\"num_attention_heads\":8,\"hidden_size\":100}", "config-divides", EXIT_REJECTED},
    {"boolean", "{\"tie_word_embeddings\":1}", "json-type", EXIT_REJECTED},
    {"rope scaling", "{\"rope_scaling\":{\"type\":\"yarn\"}}", "config-rope", EXIT_UNSUPPORTED},
    {"rope type", "{\"rope_parameters\":{\"rope_type\":\"dynamic\",\"factor\":2}}", "config-rope", EXIT_UNSUPPORTED},
    {"no factor", "{\"rope_parameters\":{\"rope_type\":\"llama3\"}}", "config-not-positive", EXIT_REJECTED},
    {"partial rotations", "{\"partial_rotary_factor\":0.25}", "config-rope", EXIT_UNSUPPORTED},
    {"partial rope", "{\"rope_parameters\":{\"partial_rotary_factor\":0.5}}", "config-rope", EXIT_UNSUPPORTED},
    {"two thetas", "{\"rope_theta\":1,\"rope_parameters\":{\"rope_theta\":2}}", "config-disagree", EXIT_REJECTED},
    {"rope is a list", "{\"rope_scaling\":[]}", "json-type", EXIT_REJECTED},
    {"linear class", "{\"quantization_config\":{\"linear_class\":\"other\"}}", "config-linear-class", EXIT_UNSUPPORTED},
    {"eos is text", "{\"eos_token_id\":\"</s>\"}", "json-type", EXIT_REJECTED},
    {"eos negative", "{\"eos_token_id\":[1,-2]}", "json-range", EXIT_REJECTED},
    {"nine eos", "{\"eos_token_id\":[1,2,3,4,5,6,7,8,9]}", "too-many-ids", EXIT_UNSUPPORTED},
    {"bos real", "{\"bos_token_id\":1.5}", "json-type", EXIT_REJECTED},
};

static void errors(void) {
    struct heard h;
    struct config_values c;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        EXPECT(!read_text(&h, wrong[i].text, &c));
        heard_one(&h, wrong[i].what, wrong[i].slug, wrong[i].code);
        unhear(&h);
    }
    char *deep = malloc(5001);
    memset(deep, '[', 5000);
    deep[0] = '{';
    deep[5000] = 0;
    EXPECT(!read_text(&h, deep, &c));
    heard_one(&h, "deep", "json-too-deep", EXIT_REJECTED);
    unhear(&h);
    free(deep);
    hear(&h);
    EXPECT(!config_read(h.diag, h.arena, path_of("absent.json"), &c));
    heard_one(&h, "absent", "cannot-open", EXIT_IO);
    unhear(&h);
}

static const char *const bad_sets[] = {
    "hidden",   "=3",        "hidden=", "hidden=x", "hidden=0",   "hidden=1.5",
    "theta=-1", "theta=nan", "eps=inf", "a\"b=1",   "1a=1",       "hidden=99999999999",
    "x=",       "x=0x10",    "x= 1",    "tied=2",   "theta=1e999"};

static void sets(void) {
    struct heard h;
    struct config_values c = {.bos = -1}, back;
    hear(&h);
    EXPECT(config_set(h.diag, h.arena, &c, "hidden=2560") && config_set(h.diag, h.arena, &c, "hidden=64"));
    EXPECT(config_set(h.diag, h.arena, &c, "eps=1e-6") && config_set(h.diag, h.arena, &c, "theta=10000"));
    EXPECT(config_set(h.diag, h.arena, &c, "depth=-3") && config_set(h.diag, h.arena, &c, "ratio=0.25"));
    EXPECT(config_set(h.diag, h.arena, &c, "tied=1") && c.tied);
    EXPECT(int_of(&c, "hidden") == 64 && int_of(&c, "depth") == -3 && config_find(&c, "ratio")->real == 0.25);
    EXPECT(!config_find(&c, "theta")->is_int);
    heard_none(&h, "sets");
    struct buf text = {0};
    c.n_eos = 2;
    c.eos[0] = 5;
    c.eos[1] = 6;
    config_write(&text, &c);
    put_text("config.json", text.at);
    buf_free(&text);
    EXPECT(config_read(h.diag, h.arena, path_of("config.json"), &back));
    heard_none(&h, "written");
    EXPECT(back.values.n == c.values.n && back.tied && back.n_eos == 2 && back.eos[1] == 6 && back.bos == -1);
    for (size_t i = 0; i < c.values.n; i++) {
        const struct config_value *v = config_find(&back, c.values.at[i].name);
        EXPECT(v && v->real == c.values.at[i].real && v->is_int == c.values.at[i].is_int);
    }
    unhear(&h);
    for (size_t i = 0; i < COUNT_OF(bad_sets); i++) {
        hear(&h);
        EXPECT(!config_set(h.diag, h.arena, &c, bad_sets[i]));
        EXPECT(diag_errors(h.diag) == 1 && diag_exit_code(h.diag) == EXIT_USAGE);
        unhear(&h);
    }
}

int main(void) {
    readers_start();
    values();
    errors();
    sets();
    readers_end();
    return expect_end();
}
