/*
 * pack.h -- the pack behind the executable: found, mapped, checked.
 *
 * Transparent.  Nothing of a pack is used before setun_pack_check has said yes; its data section is not hashed
 * then (setun_pack_verify does that on request).
 */
#ifndef SETUN_RUNTIME_PACK_H
#define SETUN_RUNTIME_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/abi.h"

struct setun_mapped_pack {
    const struct setun_pack *head; /* the mapping */
    uint64_t bytes;                /* up to the footer */
    const uint8_t *data;
    const char *path; /* of the file it was found in */
    uint64_t file_bytes;
};

/* Where a file of file_bytes whose last bytes are `footer` says its pack lies. */
bool setun_footer_check(const struct setun_footer *footer, uint64_t file_bytes, char *why, size_t why_size);
/* The mapped bytes against the footer's id and what the code was built for (m; NULL: any code). */
bool setun_pack_check(const void *at, uint64_t bytes, uint64_t id, const struct setun_model *m, char *why,
                      size_t why_size);
/* Maps the pack of the running executable.  Returns an exit code. */
int setun_pack_open(struct setun_mapped_pack *p, const struct setun_model *m, const char *argv0);
/* A pack that lies in memory, of the code that m describes; id is what its footer says, or m's.  Sets all of p but path
 * and file_bytes.  false: why says what is wrong. */
bool setun_pack_at(struct setun_mapped_pack *p, const void *at, uint64_t bytes, uint64_t id,
                   const struct setun_model *m, char *why, size_t why_size);
/* Does the data section hash to what the header says? */
bool setun_pack_verify(const struct setun_mapped_pack *p, uint64_t *found);

static inline const void *setun_pack_section(const struct setun_mapped_pack *p, enum setun_section s, uint64_t *bytes) {
    *bytes = p->head->section[s].bytes;
    return (const uint8_t *)p->head + p->head->section[s].offset;
}

/* The tensor table of its section.  false: why says what is wrong. */
bool setun_tensors_check(const void *section, uint64_t bytes, uint64_t data_bytes, uint32_t *n, char *why,
                         size_t why_size);

#endif
