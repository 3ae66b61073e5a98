/* hf_u8.h -- what else writers of Hugging Face's packed tensors ask; the format is in hf_u8.c. */
#ifndef SETUN_CODEC_HF_U8_H
#define SETUN_CODEC_HF_U8_H

#include <stdint.h>

/* Rows of the stored matrix: it is [hf_u8_stored_rows(rows), cols], one byte an element. */
uint64_t hf_u8_stored_rows(uint64_t rows);

#endif
