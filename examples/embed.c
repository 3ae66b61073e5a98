/*
 * embed.c -- the bundled model inside a program: goes on from a prompt, as `EXECUTABLE run -p PROMPT -n 64` does.
 *
 *     setun build models/shakespeare --emit lib -o libshakespeare.a
 *     cc examples/embed.c -I. libshakespeare.a -lm -lpthread -o embed
 *     ./embed "To be, or"
 */
#include <stdio.h>
#include <string.h>

#include "shakespeare.h"

int main(int argc, char **argv) {
    const char *prompt = argc > 1 ? argv[1] : "To be, or";
    const struct shakespeare_sampling how = {
        .temperature = 0.8f, .top_k = 40, .top_p = 0.95f, .min_p = 0.05f, .repeat_penalty = 1};
    struct shakespeare *model;
    uint32_t tokens[SHAKESPEARE_CONTEXT], token;
    size_t n;
    char text[256];

    if (shakespeare_open(NULL, &model, text, sizeof text) != SHAKESPEARE_OK) {
        fprintf(stderr, "%s\n", text);
        return 1;
    }
    int error = shakespeare_encode(model, prompt, strlen(prompt), SHAKESPEARE_BEGIN, tokens, SHAKESPEARE_CONTEXT, &n);
    if (!error) error = shakespeare_prefill(model, tokens, n);
    for (int i = 0; i < 64 && !error; i++) {
        error = shakespeare_sample(model, &how, &token);
        if (error || shakespeare_is_end(model, token)) break;
        error = shakespeare_decode(model, token, text, sizeof text, &n);
        if (error) break;
        fwrite(text, 1, n, stdout);
        error = shakespeare_step(model, token);
    }
    if (error) fprintf(stderr, "%s\n", shakespeare_message(model));
    shakespeare_close(model);
    return error != SHAKESPEARE_OK;
}
