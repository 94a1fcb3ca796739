/* Bits of activations and of their window, 32 units at a time. */
#include "columns.h"
#include "lanes.h"

/* The bits of eight lanes that are all ones or zero, moved up by `first`. */
static inline tfoa_u8 place_bits(tfoa_i8 mask, int32_t first)
{
    const tfoa_u8 places = {1u, 2u, 4u, 8u, 16u, 32u, 64u, 128u};
    return (tfoa_u8)mask & (places << (uint32_t)first);
}

static inline uint32_t join(tfoa_u8 words)
{
    return words[0] | words[1] | words[2] | words[3] | words[4] | words[5] | words[6] | words[7];
}

float tfoa_activate_row(const float *z, int32_t units, float floor, uint32_t *h, uint32_t *window)
{
    const tfoa_f8 zero = tfoa_splat(0.0f), least = tfoa_splat(floor), one = tfoa_splat(1.0f);
    tfoa_f8 sums = zero;
    int32_t unit = 0;
    for (; unit + 32 <= units; unit += 32) {
        tfoa_u8 is_positive = tfoa_splat_word(0u), is_inside = tfoa_splat_word(0u);
        for (int32_t k = 0; k < 32; k += TFOA_LANES) {
            const tfoa_f8 numbers = tfoa_load8(z + unit + k);
            is_positive |= place_bits(numbers > zero, k);
            is_inside |= place_bits((numbers > least) & (numbers < one), k);
            sums += tfoa_magnitude(numbers);
        }
        h[unit / 32] = join(is_positive);
        if (window != 0) {
            window[unit / 32] = join(is_inside);
        }
    }
    float sum = tfoa_add_lanes(sums);
    uint32_t is_positive = 0u, is_inside = 0u;
    for (int32_t k = 0; unit + k < units; k++) {
        const float number = z[unit + k];
        is_positive |= (uint32_t)(number > 0.0f) << k;
        is_inside |= (uint32_t)(number > floor && number < 1.0f) << k;
        sum += number < 0.0f ? -number : number;
    }
    if (unit < units) {
        h[unit / 32] = is_positive;
        if (window != 0) {
            window[unit / 32] = is_inside;
        }
    }
    return sum;
}

void tfoa_mask_row(const float *x, int32_t count, const uint32_t *bits, int32_t words, int32_t first, float *y)
{
    const tfoa_f8 zero = tfoa_splat(0.0f);
    int32_t i = 0;
    for (; i + 32 <= count; i += 32) {
        const uint32_t word = tfoa_bits_from(bits, words, first + i);
        for (int32_t k = 0; k < 32; k += TFOA_LANES) {
            tfoa_store8(y + i + k, tfoa_select(tfoa_mask_of_bits(word, k), tfoa_load8(x + i + k), zero));
        }
    }
    const uint32_t word = tfoa_bits_from(bits, words, first + i);
    for (int32_t k = 0; i + k < count; k++) {
        y[i + k] = (word >> k) & 1u ? x[i + k] : 0.0f;
    }
}
