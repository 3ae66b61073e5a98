/* jinja_fuzz -- a template is refused or rendered, within its memory; whatever it makes lies in it. */
#include <stdlib.h>
#include <string.h>

#include "runtime/jinja/jinja.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define TEXT(s) {(s), sizeof(s) - 1}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static const struct setun_message talk[] = {
        {TEXT("system"), TEXT("be brief")},
        {TEXT("user"), TEXT(" h\xc3\xa9llo\n")},
        {TEXT("assistant"), TEXT("<think>\nx\n</think>\n\n\xff\xf0\x9f\x99\x82")}};
    static const struct setun_jinja_date date = {2024, 7, 26, 12, 0, 0};
    struct setun_jinja_error why;
    struct setun_jinja_text out;
    struct setun_jinja_input in = {talk, 3, true, TEXT("<s>"), {NULL, 0}, &date, NULL, 0};
    /* little memory, so that its end is met often */
    struct setun_jinja *t = setun_jinja_open((const char *)data, n, 1u << 20, &why);
    if (!t) {
        if (why.text[0] == '\0') abort();
        return 0;
    }
    for (int round = 0; round < 2; round++) { /* the second one finds the template as the first did */
        bool ok = setun_jinja_render(t, &in, &out, &why);
        if (ok ? out.at == NULL || strnlen(out.at, out.n) > out.n : why.text[0] == '\0') abort();
    }
    setun_jinja_close(t);
    return 0;
}
