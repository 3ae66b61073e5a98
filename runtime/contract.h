/*
 * contract.h -- the numbers of the numeric contract (docs/numerics.md), used by the interpreter, by generated
 * code and by the sampler.  A changed digit is a new version of the contract.
 *
 * Polynomials are lists of coefficients from the lowest power up: static const float c[] = {SETUN_LOG_C};
 * They are minimax fits (Remez, 50 digits) with the low coefficients rounded to f32 first and the others
 * fitted again; test/campaign/ulp.c measures what they give over all inputs.
 */
#ifndef SETUN_RUNTIME_CONTRACT_H
#define SETUN_RUNTIME_CONTRACT_H

#define SETUN_CONTRACT 1 /* version */

/* Orders of summation. */
#define SETUN_SUM_LANES    32
#define SETUN_SUM_BLOCK    1024
#define SETUN_ATTEND_CHUNK 128 /* absolute positions */

/* The quantiser: s = CODE_MAX / max(m, QUANT_FLOOR). */
#define SETUN_CODE_MAX    127.0f
#define SETUN_QUANT_FLOOR 1e-5f
#define SETUN_NORM_FLOOR  1e-12f /* of l2norm */
#define SETUN_F16_MAX     65504.0f

/* clang-format off */

/* exp: x = n ln 2 + t, |t| <= ln(2)/2;  e^t = 1 + (t + t^2 sum R_i t^i), not Horner over
 * all of it: see docs/numerics.md.  ln 2 = LN2_HI + LN2_LO to 49 bits. */
#define SETUN_EXP_MIN -87.33f   /* below: +0 */
#define SETUN_EXP_MAX 88.72283f /* above: as at it */
#define SETUN_LOG2E  0x1.715476p+0f
#define SETUN_LN2_HI 0x1.62e430p-1f
#define SETUN_LN2_LO -0x1.05c610p-29f
#define SETUN_EXP_R \
    0x1.fffffcp-2f, 0x1.55548cp-3f, 0x1.555858p-5f, 0x1.123de2p-7f, 0x1.6ac6e2p-10f

/* log: log(1 + f) = f - f^2/2 + f^3 sum C_i f^i on [sqrt(1/2) - 1, sqrt(2) - 1]. */
#define SETUN_LOG_SPLIT 0x3f3504f3u /* bits of sqrt(1/2) */
#define SETUN_LOG_C \
    0x1.555548p-2f, -0x1.000070p-2f, 0x1.99a540p-3f, -0x1.552f18p-3f, 0x1.23036cp-3f, -0x1.0103bcp-3f, \
    0x1.f0105ep-4f, -0x1.bf9798p-4f, 0x1.b6401cp-5f

/* tanh: x + x^3 sum C_i x^(2i) below TANH_SPLIT; 1 - 2 / (exp(2x) + 1) above, with x cut at TANH_MAX. */
#define SETUN_TANH_SPLIT 0.625f
#define SETUN_TANH_MAX   20.0f
#define SETUN_TANH_C \
    -0x1.555554p-2f, 0x1.11107ap-3f, -0x1.b9f188p-5f, 0x1.63a550p-6f, -0x1.0c5ed0p-7f, 0x1.1a2816p-9f

/* gelu: sqrt(2 / pi) and the factor of the cube. */
#define SETUN_GELU_A 0x1.988454p-1f
#define SETUN_GELU_B 0x1.6e4e26p-5f

/* cossin: 2 pi / 2^32;  sin t = t + t^3 sum S_i t^(2i),  cos t = 1 - t^2/2 + t^4 sum C_i t^(2i), |t| <= pi/4.
 * TURN is 2.8e-8 too large, which the fits of S and C take back where it matters, near pi/4. */
#define SETUN_TURN 0x1.921fb6p-30f
#define SETUN_SIN_C -0x1.55556cp-3f, 0x1.110eb2p-7f, -0x1.9ae324p-13f
#define SETUN_COS_C 0x1.5555dap-5f, -0x1.6c3f1ap-10f, 0x1.a49ac2p-16f

/* clang-format on */
#endif
