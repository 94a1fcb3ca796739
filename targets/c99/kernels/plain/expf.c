/* exp in float32 from products and sums alone, so that every platform gives the same bits; within 1 ulp (tests/c99).
 *
 * x = n ln 2 + r with |r| <= ln 2 / 2; e^r by its Taylor series to the seventh power, error below 2^-27; times 2^n by the exponent. */
#include <string.h>

#include "../kernels.h"

#define LARGEST 88.7228394f   /* e^x is infinite beyond */
#define SMALLEST -103.972084f /* e^x is zero beyond */

static float power_of_two(int32_t n)
{
    const uint32_t bits = (uint32_t)(n + 127) << 23;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

float tfoa_expf(float x)
{
    if (!(x <= LARGEST)) {
        const float infinite = power_of_two(128);
        return x > LARGEST ? infinite : x; /* NaN stays NaN */
    }
    if (x < SMALLEST) {
        return 0.0f;
    }
    const float scaled = x * 1.44269504f;
    const int32_t n = (int32_t)(scaled < 0.0f ? scaled - 0.5f : scaled + 0.5f);
    /* ln 2 in two parts, the first short enough that its product with n is exact. */
    const float r = (x - (float)n * 0.693359375f) - (float)n * -2.12194440e-4f;
    float series = 1.98412698e-4f;
    series = series * r + 1.38888889e-3f;
    series = series * r + 8.33333333e-3f;
    series = series * r + 4.16666667e-2f;
    series = series * r + 1.66666667e-1f;
    series = series * r + 0.5f;
    const float power = series * (r * r) + r + 1.0f;
    /* Two factors: 2^n alone is not a float at either end. */
    const int32_t half = n / 2;
    return power * power_of_two(half) * power_of_two(n - half);
}
