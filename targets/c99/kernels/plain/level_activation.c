/* Activations of two bits: levels of a running mean of |z|, and the window in which an error passes. */
#include "../kernels.h"

/* Bits [first, first + 32) of a row of z, as many as there are: 1[z > bound]. */
static uint32_t above(const float *z, int32_t first, int32_t units, float bound)
{
    const int32_t count = units - first < 32 ? units - first : 32;
    uint32_t word = 0;
    for (int32_t i = 0; i < count; i++) {
        word |= (uint32_t)(z[first + i] > bound) << i;
    }
    return word;
}

void tfoa_level_activation(const float *z, int32_t rows, int32_t units, float scale, float floor, uint32_t *h, uint32_t *window)
{
    const int32_t words = TFOA_WORDS(units);
    for (int32_t row = 0; row < rows; row++) {
        for (int32_t i = 0; i < words; i++) {
            const uint32_t two = above(z, 32 * i, units, 1.5f * scale);
            h[i] = above(z, 32 * i, units, 0.5f * scale) ^ two ^ above(z, 32 * i, units, 2.5f * scale);
            h[words + i] = two;
        }
        if (window != 0) {
            tfoa_pass_mask(z, 1, units, floor * scale, 3.5f * scale, window + row * words);
        }
        h += 2 * words;
        z += units;
    }
}

void tfoa_levels_to_real(const uint32_t *h, int32_t rows, int32_t units, float scale, float *x)
{
    for (int32_t row = 0; row < rows; row++) {
        for (int32_t i = 0; i < units; i++) {
            *x++ = (float)tfoa_level_at(h, units, i) * scale;
        }
        h += 2 * TFOA_WORDS(units);
    }
}
