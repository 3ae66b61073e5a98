/* stream.h -- reads memory as fast as the machine gives it to one thread: the yardstick of `bench` and of bench/. */
#ifndef SETUN_RUNTIME_STREAM_H
#define SETUN_RUNTIME_STREAM_H

#include <stdint.h>

/* Reads n bytes, each once.  The sum of them, some taken together as words of 64 bits, so that every byte counts. */
uint64_t setun_read_memory(const uint8_t *at, uint64_t n);

#endif
