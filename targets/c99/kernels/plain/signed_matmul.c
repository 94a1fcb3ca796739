/* Integers against signs, a pair of rows at a time: as fast as the variant of tfoa_signed_sum that it is linked with. */
#include <stddef.h>

#include "../packed.h"

void tfoa_signed_matmul(const tfoa_signed_shape *shape, const int16_t *q, const uint32_t *w, int32_t *sums)
{
    for (int32_t row = 0; row < shape->batch; row++) {
        const int16_t *q_row = q + (size_t)row * (size_t)shape->q_stride;
        for (int32_t output = 0; output < shape->outputs; output++) {
            *sums++ = tfoa_signed_sum(q_row, w + (size_t)output * (size_t)shape->w_stride, shape->inputs);
        }
    }
}
