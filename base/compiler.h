/* compiler.h -- the only place for extensions of C17. */
#ifndef SETUN_BASE_COMPILER_H
#define SETUN_BASE_COMPILER_H

#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))
#define NORETURN                _Noreturn
#define COUNT_OF(a)             (sizeof(a) / sizeof((a)[0]))

/* Our own mistake: names itself, prints where, ends with exit code 70. */
NORETURN void bug_at(const char *file, int line, const char *fmt, ...) PRINTF_LIKE(3, 4);
#define BUG(...) bug_at(__FILE__, __LINE__, __VA_ARGS__)

#endif
