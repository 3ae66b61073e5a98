/* lut_64.h -- the layouts that table lookups read; lut_64.c draws them. */
#ifndef SETUN_CODEC_LUT_64_H
#define SETUN_CODEC_LUT_64_H

#include "codec/tiles.h"

extern const struct tile_layout tl1_64, tl2_64, wide_64;

#endif
