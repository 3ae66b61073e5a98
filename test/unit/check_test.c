/* Checked arithmetic at its borders, and little-endian loads. */
#include "base/check.h"
#include "test/unit/expect.h"

int main(void) {
    uint64_t r = 0;
    EXPECT(ck_add(&r, UINT64_MAX - 1, 1) && r == UINT64_MAX);
    EXPECT(!ck_add(&r, UINT64_MAX, 1));
    EXPECT(ck_sub(&r, 5, 5) && r == 0);
    EXPECT(!ck_sub(&r, 5, 6));
    EXPECT(ck_mul(&r, UINT64_C(1) << 32, UINT64_C(1) << 31) && r == UINT64_C(1) << 63);
    EXPECT(!ck_mul(&r, UINT64_C(1) << 32, UINT64_C(1) << 32));
    EXPECT(ck_align(&r, 0, 64) && r == 0);
    EXPECT(ck_align(&r, 65, 64) && r == 128);
    EXPECT(!ck_align(&r, UINT64_MAX - 5, 64));
    const uint8_t b[9] = {0, 1, 2, 3, 4, 5, 6, 7, 0xff};
    EXPECT(load_u16le(b + 1) == 0x0201);
    EXPECT(load_u32le(b + 1) == 0x04030201);
    EXPECT(load_u64le(b + 1) == UINT64_C(0xff07060504030201));
    EXPECT(f32_of_bits(0x3f800000) == 1.0f && bits_of_f32(-0.0f) == 0x80000000u);
    return expect_end();
}
