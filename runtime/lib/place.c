/* place.c -- addresses of the pack as data, not as operands: it may lie further from the code than those reach. */
#include "runtime/lib/impl.h"

extern const uint8_t setun_lib_pack[], setun_lib_pack_end[];

const struct setun_lib_place setun_lib_place = {.begin = setun_lib_pack, .end = setun_lib_pack_end};
