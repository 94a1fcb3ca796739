/* A sample of real numbers as 16-bit integers, q = 256 high + low, in two roundings like the function body on onnxruntime.
 *
 * The body splits x into bytes around 128 with QuantizeLinear, which divides, rounds half to even and clamps. The largest |x|
 * gives high = 127, so that neither byte is clamped but at the very edge. */
#include "../kernels.h"

#define LEVELS 32512.0f /* 127 * 256 */
#define LEAST 1e-30f

/* Round half to even: adding and taking away 1.5 * 2^23 leaves no fraction. For |x| < 2^22. */
static float round_half_even(float x)
{
    volatile float shifted = x + 12582912.0f; /* volatile: no compiler may cancel the two */
    return shifted - 12582912.0f;
}

/* Clamped so that NaN, which no comparison is true of, is a number too. */
static int32_t to_byte(float x)
{
    const float clamped = x > -128.0f ? (x < 127.0f ? x : 127.0f) : -128.0f;
    return (int32_t)round_half_even(clamped);
}

float tfoa_quantize(const float *x, int32_t n, int16_t *q)
{
    float largest = LEAST;
    for (int32_t i = 0; i < n; i++) {
        const float magnitude = x[i] < 0.0f ? -x[i] : x[i];
        largest = magnitude > largest ? magnitude : largest;
    }
    const float step = largest / LEVELS;
    const float coarse_step = step * 256.0f;
    for (int32_t i = 0; i < n; i++) {
        const int32_t high = to_byte(x[i] / coarse_step);
        const float rest = x[i] - (float)high * coarse_step;
        q[i] = (int16_t)(256 * high + to_byte(rest / step));
    }
    return step;
}
