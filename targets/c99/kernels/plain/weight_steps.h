/* What the updates share: gradients of weights and biases, sums over the batch and its positions, and the limit of latent values.
 */
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

/* How many of the weights that are left are taken together. */
static inline int32_t tfoa_run_of(int32_t left)
{
    return left < TFOA_RUN ? left : TFOA_RUN;
}

/* Gradients of a run of weights in the row of output `out`, from input `in` on: sums over the batch, and over positions; x
 * carries its scale apart. */
void tfoa_gradient_run(const tfoa_slice *slice, const float *grad_z, const tfoa_operand *x, int32_t rows, int32_t out, int32_t in,
                       float *grads);

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

/* Whether any sample has an error at an output; without one, and where nothing is kept of gradients, its row stays as it is. */
static inline int tfoa_has_error(const tfoa_slice *slice, const float *errors, int32_t rows)
{
    for (int32_t row = 0; row < rows; row++) {
        for (int32_t position = 0; position < slice->positions; position++) {
            if (errors[row * slice->grad_columns * slice->positions + position] != 0.0f) {
                return 1;
            }
        }
    }
    return 0;
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
