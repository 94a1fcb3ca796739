/* Four inputs of all samples side by side, so that a step reads them from one place. */
#include "columns.h"

void tfoa_turn_reals(const float *x, int32_t x_stride, int32_t rows, int32_t ins, int32_t in, float *turned)
{
    for (int32_t row = 0; row < rows; row++) {
        for (int32_t i = 0; i < 4; i++) {
            *turned++ = in + i < ins ? x[(int64_t)row * x_stride + in + i] : 0.0f;
        }
    }
}
