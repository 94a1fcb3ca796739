/* The sum of the numbers whose bit is one. */
#include "columns.h"
#include "lanes.h"

float tfoa_sum_where(const float *numbers, int32_t count, const uint32_t *bits, int32_t words)
{
    const tfoa_f8 zero = tfoa_splat(0.0f);
    tfoa_f8 sums = zero;
    for (int32_t i = 0; i < count; i += TFOA_LANES) {
        const tfoa_f8 some = tfoa_load_some(numbers + i, count - i < TFOA_LANES ? count - i : TFOA_LANES);
        sums += tfoa_select(tfoa_mask_of_bits(tfoa_bits_from(bits, words, i), 0), some, zero);
    }
    return tfoa_add_lanes(sums);
}
