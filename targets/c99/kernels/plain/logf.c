/* log in float32 from products, sums and one quotient, the same bits on every platform; within 2 ulp (tests/c99).
 *
 * x = 2^n m with sqrt(1/2) < m <= sqrt(2); log m = 2 artanh(t) with t = (m - 1) / (m + 1), by its series to t^9. */
#include <string.h>

#include "../kernels.h"

float tfoa_logf(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (!(x > 0.0f)) {
        const uint32_t special = x == 0.0f ? 0xFF800000u : 0x7FC00000u; /* -inf, NaN */
        memcpy(&x, &special, sizeof x);
        return x;
    }
    if (bits >= 0x7F800000u) {
        return x;
    }
    int32_t n = 0;
    if (bits < 0x00800000u) { /* subnormal */
        x *= 8388608.0f;
        memcpy(&bits, &x, sizeof bits);
        n = -23;
    }
    /* The exponent that leaves the mantissa between sqrt(1/2) and sqrt(2). */
    const uint32_t shifted = bits - 0x3F3504F3u;
    n += (int32_t)shifted >> 23;
    bits = (shifted & 0x007FFFFFu) + 0x3F3504F3u;
    float m;
    memcpy(&m, &bits, sizeof m);
    const float t = (m - 1.0f) / (m + 1.0f);
    const float square = t * t;
    float series = 2.0f / 9.0f;
    series = series * square + 2.0f / 7.0f;
    series = series * square + 2.0f / 5.0f;
    series = series * square + 2.0f / 3.0f;
    const float fraction = 2.0f * t + series * square * t;
    return (float)n * 0.693359375f + (fraction + (float)n * -2.12194440e-4f);
}
