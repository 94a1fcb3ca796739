/* What the updates share: the gradient of one weight or bias, a sum over the batch, and the limit of latent values. */
#ifndef TFOA_DENSE_STEPS_H
#define TFOA_DENSE_STEPS_H

#include "../kernels.h"

static inline float tfoa_operand_at(const tfoa_operand *x, int32_t row, int32_t i)
{
    if (x->bits == 0) {
        return x->real[row * x->units + i];
    }
    const uint32_t word = x->bits[row * TFOA_WORDS(x->units) + i / 32];
    return ((word >> (i % 32)) & 1u ? 1.0f : 0.0f) - x->center;
}

/* Sum over the batch of grad_z times input `in`, the weights of which begin at grad_z; bits carry their scale apart. */
static inline float tfoa_weight_grad(const tfoa_slice *slice, const float *grad_z, const tfoa_operand *x, int32_t rows, int32_t in)
{
    float sum = 0.0f;
    for (int32_t row = 0; row < rows; row++) {
        sum += grad_z[row * slice->grad_columns] * tfoa_operand_at(x, row, slice->first_in + in);
    }
    return x->bits == 0 ? sum : sum * x->scale;
}

static inline float tfoa_bias_grad(const tfoa_slice *slice, const float *grad_z, int32_t rows, int32_t out)
{
    float sum = 0.0f;
    for (int32_t row = 0; row < rows; row++) {
        const float *errors = grad_z + (row * slice->grad_columns + slice->first_grad + out) * slice->positions;
        for (int32_t i = 0; i < slice->positions; i++) {
            sum += errors[i];
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
