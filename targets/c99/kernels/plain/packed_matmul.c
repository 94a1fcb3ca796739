/* Bits against signs, a pair of rows at a time: as fast as the variant of tfoa_packed_dot that it is linked with. */
#include <stddef.h>

#include "../packed.h"

void tfoa_packed_matmul(const tfoa_packed_shape *shape, const uint32_t *x, const uint32_t *w, int32_t *dot)
{
    for (int32_t row = 0; row < shape->batch; row++) {
        const uint32_t *x_row = x + (size_t)row * (size_t)shape->x_stride;
        const int32_t x_ones = tfoa_packed_count(x_row, shape->words);
        for (int32_t output = 0; output < shape->outputs; output++) {
            const uint32_t *w_row = w + (size_t)output * (size_t)shape->w_stride;
            *dot++ = 2 * tfoa_packed_dot(x_row, w_row, shape->words) - x_ones;
        }
    }
}
