/* W <- clip(W - rate * sum over the batch of delta x): gradient and update in one pass over the slice.
 *
 * An output whose error is zero for the whole batch, which the straight-through window makes common, leaves its row as it is. */
#include "integer_weights.h"

static void step_on_reals(float *latent, const tfoa_slice *slice, float error, const float *x)
{
    for (int32_t in = 0; in < slice->ins; in++) {
        latent[in] = tfoa_limited(latent[in] - error * x[in], slice->limit);
    }
}

/* A bit moves its weight by one of two amounts. */
static void step_on_bits(float *latent, const tfoa_slice *slice, float error, const tfoa_operand *x)
{
    const float moves[2] = {error * (0.0f - x->center), error * (1.0f - x->center)};
    for (int32_t in = 0; in < slice->ins; in++) {
        const int32_t i = slice->first_in + in;
        latent[in] = tfoa_limited(latent[in] - moves[(x->bits[i / 32] >> (i % 32)) & 1u], slice->limit);
    }
}

static void step_on_sums(const tfoa_slice *slice, const float *grad_z, const tfoa_operand *x, int32_t rows, float rate,
                         int32_t out)
{
    float *latent = slice->latent + out * slice->ins;
    for (int32_t in = 0; in < slice->ins; in++) {
        latent[in] = tfoa_limited(latent[in] - rate * tfoa_weight_grad(slice, grad_z, x, rows, out, in), slice->limit);
    }
}

static int has_error(const tfoa_slice *slice, const float *errors, int32_t rows)
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

void tfoa_weight_sgd_step(const tfoa_slice *slice, const float *grad_z, const tfoa_operand *x, int32_t rows, float rate)
{
    for (int32_t out = 0; out < slice->outs; out++) {
        float *latent = slice->latent + out * slice->ins;
        const float *errors = tfoa_errors_of(slice, grad_z, out);
        if (!has_error(slice, errors, rows)) {
            continue;
        }
        if (rows > 1 || x->conv != 0) {
            step_on_sums(slice, grad_z, x, rows, rate, out);
        } else if (x->bits != 0) {
            step_on_bits(latent, slice, *errors * (rate * x->scale), x);
        } else {
            step_on_reals(latent, slice, *errors * (rate * x->scale), x->real + slice->first_in);
        }
        tfoa_follow_signs(slice, out);
    }
}

/* The row of one sample's error: each change is that of tfoa_weight_grad, times the factor. */
static void move_integers(const tfoa_slice *slice, uint32_t word, int32_t out, float error, float factor, const tfoa_operand *x)
{
    const int32_t first = out * slice->ins;
    if (x->bits == 0) {
        const float *reals = x->real + slice->first_in;
        for (int32_t in = 0; in < slice->ins; in++) {
            tfoa_move_integer(slice, word, first + in, factor * (error * reals[in] * x->scale));
        }
        return;
    }
    const float moves[2] = {factor * (error * (0.0f - x->center) * x->scale), factor * (error * (1.0f - x->center) * x->scale)};
    for (int32_t in = 0; in < slice->ins; in++) {
        const int32_t i = slice->first_in + in;
        tfoa_move_integer(slice, word, first + in, moves[(x->bits[i / 32] >> (i % 32)) & 1u]);
    }
}

void tfoa_weight_sgd_step_on_integers(const tfoa_slice *slice, const float *grad_z, const tfoa_operand *x, int32_t rows,
                                      float rate)
{
    const uint32_t word = tfoa_word_of_step(slice);
    const float factor = tfoa_rate_in_quanta(slice, rate);
    for (int32_t out = 0; out < slice->outs; out++) {
        const float *errors = tfoa_errors_of(slice, grad_z, out);
        if (!has_error(slice, errors, rows)) {
            continue;
        }
        if (rows == 1 && x->conv == 0) {
            move_integers(slice, word, out, *errors, factor, x);
        } else {
            for (int32_t in = 0; in < slice->ins; in++) {
                const float change = factor * tfoa_weight_grad(slice, grad_z, x, rows, out, in);
                tfoa_move_integer(slice, word, out * slice->ins + in, change);
            }
        }
        tfoa_follow_integer_signs(slice, out);
    }
}

void tfoa_bias_sgd_step(const tfoa_slice *slice, const float *grad_z, int32_t rows, float rate)
{
    for (int32_t out = 0; out < slice->outs; out++) {
        slice->bias[out] -= rate * tfoa_bias_grad(slice, grad_z, rows, out);
    }
}
