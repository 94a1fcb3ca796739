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
    for (int32_t in = 0; in < slice->ins; in += TFOA_RUN) {
        const int32_t count = tfoa_run_of(slice->ins - in);
        float grads[TFOA_RUN];
        tfoa_gradient_run(slice, grad_z, x, rows, out, in, grads);
        for (int32_t i = 0; i < count; i++) {
            latent[in + i] = tfoa_limited(latent[in + i] - rate * grads[i], slice->limit);
        }
    }
}

void tfoa_weight_sgd_step(const tfoa_slice *slice, const float *grad_z, const tfoa_operand *x, int32_t rows, float rate)
{
    for (int32_t out = 0; out < slice->outs; out++) {
        float *latent = slice->latent + out * slice->ins;
        const float *errors = tfoa_errors_of(slice, grad_z, out);
        if (!tfoa_has_error(slice, errors, rows)) {
            continue;
        }
        if (rows > 1 || x->gradient != 0) {
            step_on_sums(slice, grad_z, x, rows, rate, out);
        } else if (x->bits != 0) {
            step_on_bits(latent, slice, *errors * (rate * x->scale), x);
        } else {
            step_on_reals(latent, slice, *errors * (rate * x->scale), x->real + slice->first_in);
        }
        tfoa_follow_signs(slice, out);
    }
}

void tfoa_weight_sgd_step_on_integers(const tfoa_slice *slice, const float *grad_z, const tfoa_operand *x, int32_t rows,
                                      float rate)
{
    const uint32_t word = tfoa_word_of(slice);
    const float factor = tfoa_rate_in_quanta(slice, rate);
    for (int32_t out = 0; out < slice->outs; out++) {
        if (!tfoa_has_error(slice, tfoa_errors_of(slice, grad_z, out), rows)) {
            continue;
        }
        for (int32_t in = 0; in < slice->ins; in += TFOA_RUN) {
            const int32_t count = tfoa_run_of(slice->ins - in);
            float changes[TFOA_RUN];
            tfoa_gradient_run(slice, grad_z, x, rows, out, in, changes);
            for (int32_t i = 0; i < count; i++) {
                changes[i] *= factor;
            }
            tfoa_move_run(slice, word, out, in, changes);
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
