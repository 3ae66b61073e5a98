/*
 * json.h -- reads a conversation as JSON: a list of objects with two strings, "role" and "content".
 *
 * Pure.  A stranger's file: whatever it holds, there is an answer, and no more memory than the caller gave.
 */
#ifndef SETUN_RUNTIME_CHAT_JSON_H
#define SETUN_RUNTIME_CHAT_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef bool setun_chat_message_fn(void *arg, const char *role, const uint8_t *content, size_t n);

/* Calls fn (or nobody) for each message of a JSON text, until it says false.  room: n + 4 bytes of work space.  false:
 * at byte *at something else was expected than *wrong, or fn said so and *wrong is NULL. */
bool setun_chat_parse(const uint8_t *text, size_t n, uint8_t *room, setun_chat_message_fn *fn, void *arg, size_t *at,
                      const char **wrong);

#endif
