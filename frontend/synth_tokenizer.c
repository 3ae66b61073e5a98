/* synth_tokenizer.c -- tokenizer.json with one token for each byte and enough others to fill a vocabulary. */
#include <inttypes.h>

#include "base/str.h"
#include "frontend/synth.h"

static const char head[] =
    "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":["
    "{\"id\":%" PRIu32 ",\"content\":\"<|begin_of_text|>\",\"single_word\":false,\"lstrip\":false,"
    "\"rstrip\":false,\"normalized\":false,\"special\":true},"
    "{\"id\":%" PRIu32 ",\"content\":\"<|end_of_text|>\",\"single_word\":false,\"lstrip\":false,"
    "\"rstrip\":false,\"normalized\":false,\"special\":true}],\n\"normalizer\":null,\n"
    "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":"
    "\"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}{1,3}|"
    " ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+\"},"
    "\"behavior\":\"Isolated\",\"invert\":false},{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
    "\"trim_offsets\":true,\"use_regex\":false}]},\n"
    "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":"
    "\"<|begin_of_text|>\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],\"pair\":["
    "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},{\"Sequence\":{\"id\":\"B\",\"type_id\":1}}],"
    "\"special_tokens\":{\"<|begin_of_text|>\":{\"id\":\"<|begin_of_text|>\",\"ids\":[%" PRIu32 "],"
    "\"tokens\":[\"<|begin_of_text|>\"]}}},\n"
    "\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,\"use_regex\":true},\n"
    "\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,\"continuing_subword_prefix\":null,"
    "\"end_of_word_suffix\":null,\"fuse_unk\":false,\"byte_fallback\":false,\"ignore_merges\":false,\"vocab\":{";

/* The character that stands for byte token i: printable bytes first, then U+0100 and on. */
static void put_byte_token(struct buf *b, uint32_t i) {
    uint32_t c = i < 94 ? 0x21 + i : i < 106 ? 0xa1 + (i - 94) : i < 188 ? 0xae + (i - 106) : 0x100 + (i - 188);
    char utf8[2] = {(char)(0xc0u | c >> 6), (char)(0x80u | (c & 0x3fu))};
    if (c >= 0x80)
        buf_put(b, utf8, 2);
    else
        buf_printf(b, "%s%c", c == '"' || c == '\\' ? "\\" : "", (int)c);
}

/* A space and letters that count up, all of one length. */
static void put_filler(struct buf *b, uint32_t i, uint32_t n) {
    char letters[8];
    size_t length = 2;
    for (uint32_t most = 26 * 26; most < n; most *= 26) length++;
    for (size_t k = length; k-- > 0; i /= 26) letters[k] = (char)('a' + i % 26);
    buf_put(b, "\xc4\xa0", 2); /* U+0120 stands for the space */
    buf_put(b, letters, length);
}

bool synth_tokenizer(struct out *o, uint32_t vocab) {
    uint32_t words = vocab - 2, bytes = words < 256 ? words : 256;
    struct buf b = {0};
    bool ok = true;
    buf_printf(&b, head, words, words + 1, words);
    for (uint32_t id = 0; ok && id < words; id++) {
        buf_put(&b, ",\"", id ? 2 : 0);
        if (id == 0) buf_put(&b, "\"", 1);
        if (id < bytes)
            put_byte_token(&b, id);
        else
            put_filler(&b, id - bytes, words - bytes);
        buf_printf(&b, "\":%" PRIu32, id);
        if (b.n > 60000) {
            ok = out_write(o, b.at, b.n);
            b.n = 0;
        }
    }
    buf_printf(&b, "},\"merges\":[]}}\n");
    ok = ok && out_write(o, b.at, b.n);
    buf_free(&b);
    return ok;
}
