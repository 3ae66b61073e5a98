/*
 * input.h -- messages of `chat` from standard input: lines, joined lines, quoted blocks.
 *
 *   one line                  a message
 *   one line \                a message of several lines: a line that ends in a backslash goes on
 *   """                       or a block: from a line that begins with three quotes to one that ends with them
 *   /word ...                 a command; //... is a message that begins with a slash
 *
 * On a terminal there is a prompt, and Ctrl-C gives up what was begun; twice in a row it ends.  Transparent.
 */
#ifndef SETUN_RUNTIME_CHAT_INPUT_H
#define SETUN_RUNTIME_CHAT_INPUT_H

#include "runtime/lines.h"

enum setun_said { SETUN_SAID_END, SETUN_SAID_MESSAGE, SETUN_SAID_COMMAND };

struct setun_chat_input {
    struct setun_lines lines;
    bool terminal;
    uint8_t *text; /* [lines.cap] the message, or the command behind its slash */
    size_t n;
    bool slash; /* the message's first line, unquoted, begins with one */
    bool asked; /* the last thing that came was Ctrl-C */
};

/* cap: bytes of the longest message.  Returns an exit code; close in any case. */
int setun_chat_input_open(struct setun_chat_input *in, uint64_t cap);
void setun_chat_input_close(struct setun_chat_input *in);
/* The next message or command, never an empty one.  Returns an exit code. */
int setun_chat_input_next(struct setun_chat_input *in, enum setun_said *said);

#endif
