/* tfoa_quantize of the C99 kernels, eight numbers at a time and to the same bits: every operation is rounded as there. */
#include "columns.h"
#include "lanes.h"

#define LEVELS 32512.0f /* 127 * 256 */
#define LEAST 1e-30f

/* Half to even, of numbers below 2^22: what adding 1.5 * 2^23 leaves no fraction of. */
static inline tfoa_f8 to_byte(tfoa_f8 x)
{
    const tfoa_f8 least = tfoa_splat(-128.0f), most = tfoa_splat(127.0f), shift = tfoa_splat(12582912.0f);
    x = tfoa_select(x < least, least, x);
    x = tfoa_select(x > most, most, x);
    return (x + shift) - shift;
}

static float largest_magnitude(const float *x, int32_t n)
{
    tfoa_f8 most = tfoa_splat(LEAST);
    int32_t i = 0;
    for (; i + TFOA_LANES <= n; i += TFOA_LANES) {
        const tfoa_f8 magnitude = tfoa_magnitude(tfoa_load8(x + i));
        most = tfoa_select(magnitude > most, magnitude, most);
    }
    const tfoa_f8 rest = tfoa_magnitude(tfoa_load_some(x + i, n - i));
    most = tfoa_select(rest > most, rest, most);
    float largest = LEAST;
    for (int32_t lane = 0; lane < TFOA_LANES; lane++) {
        largest = most[lane] > largest ? most[lane] : largest;
    }
    return largest;
}

typedef int16_t eight_numbers __attribute__((vector_size(16)));

static inline eight_numbers quantize(tfoa_f8 numbers, float step)
{
    const tfoa_f8 coarse = tfoa_splat(step * 256.0f), base = tfoa_splat(256.0f);
    const tfoa_f8 high = to_byte(numbers / coarse);
    const tfoa_f8 low = to_byte((numbers - high * coarse) / tfoa_splat(step));
    /* Below 2^24, and so exact. */
    return __builtin_convertvector(__builtin_convertvector(base * high + low, tfoa_i8), eight_numbers);
}

float tfoa_quantize_row(const float *x, int32_t n, int16_t *q)
{
    const float step = largest_magnitude(x, n) / LEVELS;
    int32_t i = 0;
    for (; i + TFOA_LANES <= n; i += TFOA_LANES) {
        const eight_numbers numbers = quantize(tfoa_load8(x + i), step);
        memcpy(q + i, &numbers, sizeof numbers);
    }
    const eight_numbers rest = quantize(tfoa_load_some(x + i, n - i), step);
    memcpy(q + i, &rest, sizeof *q * (size_t)(n - i));
    return step;
}
