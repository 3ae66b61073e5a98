/* exit.h -- exit codes of the compiler and of the executables it writes (docs/exit-codes.md). */
#ifndef SETUN_RUNTIME_EXIT_H
#define SETUN_RUNTIME_EXIT_H

enum setun_exit {
    EXIT_OK = 0,
    EXIT_NO = 1,          /* the answer is no: fmt --check found a file in another form */
    EXIT_USAGE = 2,       /* command line */
    EXIT_REJECTED = 3,    /* input malformed or inconsistent */
    EXIT_UNSUPPORTED = 4, /* well-formed input that this version does not handle */
    EXIT_IO = 5,          /* open, read or write failed */
    EXIT_MEMORY = 6,      /* memory or disk space */
    EXIT_VERIFY = 7,      /* results differ, a checksum is wrong, a value is not finite */
    EXIT_TIME = 8,        /* time limit: kept free */
    EXIT_MACHINE = 9,     /* the CPU lacks a feature the code needs */
    EXIT_BUG = 70,        /* our mistake */
    EXIT_INT = 130,       /* SIGINT */
    EXIT_TERM = 143,      /* SIGTERM */
};

#endif
