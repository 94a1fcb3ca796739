/* Gradients through activations, for the units of the active slice. */
#include "../kernels.h"

void tfoa_straight_through_grad(float *grad, const uint32_t *window, int32_t rows, int32_t count, int32_t first, int32_t units)
{
    for (int32_t row = 0; row < rows; row++) {
        for (int32_t i = 0; i < count; i++) {
            const int32_t unit = first + i;
            if (((window[unit / 32] >> (unit % 32)) & 1u) == 0u) {
                grad[i] = 0.0f;
            }
        }
        grad += count;
        window += TFOA_WORDS(units);
    }
}

void tfoa_relu_grad(float *grad, const float *y, int32_t rows, int32_t count, int32_t first, int32_t units)
{
    for (int32_t row = 0; row < rows; row++) {
        for (int32_t i = 0; i < count; i++) {
            if (!(y[first + i] > 0.0f)) {
                grad[i] = 0.0f;
            }
        }
        grad += count;
        y += units;
    }
}
