/*
 * file.h -- a conversation as JSON: a list of objects with the strings "role" and "content", as everywhere.
 */
#ifndef SETUN_RUNTIME_CHAT_FILE_H
#define SETUN_RUNTIME_CHAT_FILE_H

#include "runtime/chat/conversation.h"

/* Writes the messages, whole or not at all.  Returns an exit code. */
int setun_chat_save(struct setun_conversation *c, const char *path);
/* The file's messages instead of those that there are; a file with anything wrong changes nothing.  Returns an exit
 * code. */
int setun_chat_load(struct setun_conversation *c, const char *path);

#endif
