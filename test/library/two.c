/* two.c -- two models in one program, in turns: ids of the first on a line, then those of the second. */
#include <stdio.h>

#include "mini.h"
#include "shakespeare.h"

enum { COUNT = 8 };

int main(void) {
    static const uint32_t prompt[] = {3, 7, 1, 12};
    struct shakespeare *a;
    struct mini *b;
    uint32_t one[COUNT], two[COUNT];
    if (shakespeare_open(NULL, &a, NULL, 0) || mini_open(NULL, &b, NULL, 0)) return 1;
    if (shakespeare_prefill(a, prompt, 4) || mini_prefill(b, prompt, 4)) return 2;
    for (int i = 0; i < COUNT; i++) {
        if (shakespeare_sample(a, NULL, &one[i]) || mini_sample(b, NULL, &two[i])) return 3;
        if (shakespeare_step(a, one[i]) || mini_step(b, two[i])) return 4;
    }
    char state[65536];
    size_t n;
    if (mini_save(b, state, sizeof state, &n) || shakespeare_restore(a, state, n) != SHAKESPEARE_STATE) return 5;
    for (int i = 0; i < COUNT; i++) printf("%s%u", i ? " " : "", one[i]);
    for (int i = 0; i < COUNT; i++) printf("%s%u", i ? " " : "\n", two[i]);
    printf("\n");
    shakespeare_close(a);
    mini_close(b);
    return 0;
}
