/* e^x = 2^n e^r, n = x / ln 2 rounded to an integer, r = x - n ln 2.
 *
 * Only additions, multiplications and conversions of float32, each rounded by IEEE 754, so that every platform gives the
 * same bits: compile with -ffp-contract=off.
 */
#include "expf.h"

#include <float.h>
#include <math.h>
#include <stdint.h>

#if FLT_EVAL_METHOD != 0
#error "float expressions must be evaluated in float: on x86 compile with -msse2 -mfpmath=sse"
#endif

#define GREATEST 88.7228394f /* the largest float32 whose power is finite */
#define LEAST -103.972077f   /* -150 ln 2: below it the power rounds to 0 */
#define INVERSE_LN2 0x1.715476p+0f
#define LN2_HIGH 0x1.62e4p-1f /* 15 bits, so that n * LN2_HIGH is exact */
#define LN2_LOW 0x1.7f7d1cp-20f

/* 2^n for -126 <= n <= 127. */
static float power_of_two(int32_t n)
{
    union {
        uint32_t bits;
        float value;
    } power;
    power.bits = (uint32_t)(n + 127) << 23;
    return power.value;
}

float tfoa_expf(float x)
{
    if (x != x) {
        return x;
    }
    if (x > GREATEST) {
        return INFINITY;
    }
    if (x < LEAST) {
        return 0.0f;
    }

    const float quotient = x * INVERSE_LN2;
    const int32_t n = (int32_t)(quotient + (quotient < 0.0f ? -0.5f : 0.5f));
    const float r = (x - (float)n * LN2_HIGH) - (float)n * LN2_LOW;

    /* e^r = 1 + r + r^2 p(r): p is a minimax fit on |r| <= ln 2 / 2 with p(0) = 1/2, relative error of e^r 4e-9. */
    float p = 0x1.6b6ea4p-10f;
    p = p * r + 0x1.122f80p-7f;
    p = p * r + 0x1.555688p-5f;
    p = p * r + 0x1.5554a4p-3f;
    p = p * r + 0.5f;
    const float power = 1.0f + (r + r * r * p);

    /* Two factors, as 2^n alone may not be a normal number: the first product is exact, the second rounds. */
    const int32_t half = n / 2;
    return power * power_of_two(half) * power_of_two(n - half);
}
