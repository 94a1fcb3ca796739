/* What the updates share: the gradient of one weight or bias, a sum over the batch and its positions, and the limit of latent
 * values. */
#ifndef TFOA_WEIGHT_STEPS_H
#define TFOA_WEIGHT_STEPS_H

#include "../kernels.h"

static inline float tfoa_operand_at(const tfoa_operand *x, int32_t row, int32_t i)
{
    if (x->bits == 0) {
        return x->real[row * x->units + i];
    }
    const uint32_t word = x->bits[row * TFOA_WORDS(x->units) + i / 32];
    return ((word >> (i % 32)) & 1u ? 1.0f : 0.0f) - x->center;
}

/* The errors of output `out` of a slice in the first sample. */
static inline const float *tfoa_errors_of(const tfoa_slice *slice, const float *grad_z, int32_t out)
{
    return grad_z + (slice->first_grad + out) * slice->positions;
}

/* Gradient of weight `in` in the row of output `out`: a sum over the batch, and over positions; x carries its scale apart. */
static inline float tfoa_weight_grad(const tfoa_slice *slice, const float *grad_z, const tfoa_operand *x, int32_t rows,
                                     int32_t out, int32_t in)
{
    if (x->conv != 0) {
        return x->gradient(slice, grad_z, x, rows, out, in);
    }
    const float *errors = tfoa_errors_of(slice, grad_z, out);
    float sum = 0.0f;
    for (int32_t row = 0; row < rows; row++) {
        sum += errors[row * slice->grad_columns] * tfoa_operand_at(x, row, slice->first_in + in);
    }
    return sum * x->scale;
}

static inline float tfoa_bias_grad(const tfoa_slice *slice, const float *grad_z, int32_t rows, int32_t out)
{
    float sum = 0.0f;
    for (int32_t row = 0; row < rows; row++) {
        const float *errors = tfoa_errors_of(slice, grad_z, out) + row * slice->grad_columns * slice->positions;
        for (int32_t position = 0; position < slice->positions; position++) {
            sum += errors[position];
        }
    }
    return sum;
}

/* Bits and sum of output `out` follow its latent values. */
static inline void tfoa_follow_signs(const tfoa_slice *slice, int32_t out)
{
    if (slice->bits != 0) {
        uint32_t *bits = slice->bits + out * TFOA_WORDS(slice->ins);
        slice->sums[out] = tfoa_pack_signs(slice->latent + out * slice->ins, slice->ins, bits);
    }
}

static inline float tfoa_limited(float value, float limit)
{
    return value > limit ? limit : (value < -limit ? -limit : value);
}

#endif
