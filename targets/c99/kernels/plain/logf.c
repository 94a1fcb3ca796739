/* ln x = k ln 2 + ln(1 + f), where x = 2^k (1 + f) and 1 + f lies in [sqrt(1/2), sqrt(2)).
 *
 * Only additions and multiplications of float32, each rounded by IEEE 754, so that every platform gives the same bits:
 * compile with -ffp-contract=off.
 */
#include "logf.h"

#include <float.h>
#include <math.h>
#include <stdint.h>

#if FLT_EVAL_METHOD != 0
#error "float expressions must be evaluated in float: on x86 compile with -msse2 -mfpmath=sse"
#endif

#define SQRT_HALF_BITS 0x3f3504f3u
#define ONE_BITS 0x3f800000u
#define LN2_HIGH 0x1.62e4p-1f /* 15 bits, so that k * LN2_HIGH is exact */
#define LN2_LOW 0x1.7f7d1cp-20f

typedef union {
    float value;
    uint32_t bits;
} float_bits;

/* ln(1 + f) - f = -f^2/2 + f^3 p(f): p is a minimax fit on [sqrt(1/2) - 1, sqrt(2) - 1], relative error of ln(1 + f) 6e-9. */
static float log1p_less_linear(float f)
{
    float p = -0x1.38b6a4p-4f;
    p = p * f + 0x1.055b76p-3f;
    p = p * f - 0x1.0d8508p-3f;
    p = p * f + 0x1.22da16p-3f;
    p = p * f - 0x1.54724ap-3f;
    p = p * f + 0x1.99a008p-3f;
    p = p * f - 0x1.000226p-2f;
    p = p * f + 0x1.555554p-2f;
    const float square = f * f;
    return square * f * p - 0.5f * square;
}

float tfoa_logf(float x)
{
    if (x != x || x > FLT_MAX) {
        return x;
    }
    if (x < 0.0f) {
        return NAN;
    }
    if (x == 0.0f) {
        return -INFINITY;
    }

    int32_t k = 0;
    float_bits scaled = {x};
    if (x < FLT_MIN) { /* subnormal: the exponent field says nothing */
        scaled.value = x * 8388608.0f;
        k = -23;
    }
    /* Moved so that the exponent field steps at sqrt(1/2) and not at 1. */
    const uint32_t moved = scaled.bits + (ONE_BITS - SQRT_HALF_BITS);
    k += (int32_t)(moved >> 23) - 127;
    scaled.bits = (moved & 0x007fffffu) + SQRT_HALF_BITS;

    const float f = scaled.value - 1.0f;
    const float rest = log1p_less_linear(f) + (float)k * LN2_LOW;
    return (float)k * LN2_HIGH + (f + rest);
}
