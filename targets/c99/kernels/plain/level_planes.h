/* A gradient by levels is that by their low bits and twice that by their high ones. */
#ifndef TFOA_LEVEL_PLANES_H
#define TFOA_LEVEL_PLANES_H

#include "../kernels.h"

/* `of_bits` is the gradient where x is bits. */
static inline float tfoa_gradient_of_planes(tfoa_weight_gradient *of_bits, const tfoa_slice *slice, const float *grad_z,
                                            const tfoa_operand *x, int32_t rows, int32_t out, int32_t in)
{
    tfoa_operand low = *x, high = *x;
    high.center = 0.0f;
    high.scale = 2.0f * x->scale;
    float sum = 0.0f;
    for (int32_t row = 0; row < rows; row++) {
        low.bits = x->bits + row * 2 * TFOA_WORDS(x->units);
        high.bits = low.bits + TFOA_WORDS(x->units);
        sum += of_bits(slice, grad_z, &low, 1, out, in) + of_bits(slice, grad_z, &high, 1, out, in);
        grad_z += slice->grad_columns * slice->positions;
    }
    return sum;
}

#endif
