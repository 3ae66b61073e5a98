/* input.c -- messages of `chat` from standard input (input.h). */
#include "runtime/chat/input.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void show(const struct setun_chat_input *in, const char *text) {
    if (in->terminal) (void)!write(STDERR_FILENO, text, strlen(text));
}

int setun_chat_input_open(struct setun_chat_input *in, uint64_t cap) {
    *in = (struct setun_chat_input){.terminal = isatty(STDIN_FILENO) != 0};
    int code = setun_lines_open(&in->lines, NULL, cap);
    in->text = malloc((size_t)cap);
    return code == EXIT_OK && !in->text ? setun_fail(EXIT_MEMORY, "out of memory") : code;
}

void setun_chat_input_close(struct setun_chat_input *in) {
    setun_lines_close(&in->lines);
    free(in->text);
    *in = (struct setun_chat_input){.text = NULL};
}

static int add(struct setun_chat_input *in, const void *at, size_t n) {
    if (n > in->lines.cap - in->n) {
        return setun_fail(EXIT_REJECTED, "a message of more than %zu bytes", in->lines.cap);
    }
    memcpy(in->text + in->n, at, n);
    in->n += n;
    return EXIT_OK;
}

static bool quotes(const uint8_t *at) { return memcmp(at, "\"\"\"", 3) == 0; }

/* Where the lines of a message stand. */
enum part { PART_FIRST, PART_JOINED, PART_QUOTED };

/* One line into the message; *part is what comes next, PART_FIRST if it is complete. */
static int take_line(struct setun_chat_input *in, enum part *part, const uint8_t *line, size_t n) {
    size_t before = in->n;
    bool quoted = *part == PART_QUOTED;
    if (*part == PART_FIRST) in->slash = n > 0 && line[0] == '/';
    if (*part == PART_FIRST && n >= 3 && quotes(line)) {
        quoted = true;
        line += 3;
        n -= 3;
    }
    if (quoted) {
        bool last = n >= 3 && quotes(line + n - 3);
        int code = add(in, line, last ? n - 3 : n);
        if (code == EXIT_OK && !last && (*part == PART_QUOTED || n > 0)) code = add(in, "\n", 1);
        if (last && *part == PART_QUOTED && n == 3 && in->n == before && before > 0)
            in->n--; /* that newline was the block's */
        *part = last ? PART_FIRST : PART_QUOTED;
        return code;
    }
    bool goes_on = n > 0 && line[n - 1] == '\\';
    int code = add(in, line, goes_on ? n - 1 : n);
    if (code == EXIT_OK && goes_on) code = add(in, "\n", 1);
    *part = goes_on ? PART_JOINED : PART_FIRST;
    return code;
}

/* Ctrl-C at the prompt: the first gives up what was begun, another one behind it ends.  Returns the code to go on or
 * to end with. */
static int interrupted(struct setun_chat_input *in, int code) {
    if (!in->terminal || code != EXIT_INT || in->asked) return code;
    in->asked = true;
    setun_stopped_clear();
    setun_lines_drop(&in->lines);
    show(in, "\n(Ctrl-C again, Ctrl-D or /exit ends)\n");
    return EXIT_OK;
}

static int read_message(struct setun_chat_input *in, bool *over) {
    enum part part = PART_FIRST;
    in->n = 0;
    for (*over = false;;) {
        const uint8_t *line;
        size_t n;
        show(in, part == PART_FIRST ? "> " : ". ");
        int code = setun_lines_next(&in->lines, &line, &n);
        if (code != EXIT_OK && code == setun_stopped()) {
            code = interrupted(in, code);
            if (code != EXIT_OK) return code;
            in->n = 0;
            part = PART_FIRST;
            continue;
        }
        if (code != EXIT_OK) return code;
        in->asked = false;
        if (!line) {
            *over = in->n == 0; /* a message that the end of the file cuts off is a message */
            show(in, "\n");
            return EXIT_OK;
        }
        code = take_line(in, &part, line, n);
        if (code != EXIT_OK || part == PART_FIRST) return code;
    }
}

int setun_chat_input_next(struct setun_chat_input *in, enum setun_said *said) {
    do {
        bool over;
        int code = read_message(in, &over);
        *said = SETUN_SAID_END;
        if (code != EXIT_OK || over) return code;
    } while (in->n == 0);
    *said = SETUN_SAID_MESSAGE;
    if (!in->slash) return EXIT_OK;
    if (in->n == 1 || in->text[1] != '/') *said = SETUN_SAID_COMMAND;
    memmove(in->text, in->text + 1, --in->n);
    return EXIT_OK;
}
