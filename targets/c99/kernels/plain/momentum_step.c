/* v <- 0.9 v + gradient, W <- clip(W - rate v). */
#include "integer_weights.h"

#define DECAY 0.9f

void tfoa_weight_momentum_step(const tfoa_slice *slice, const float *grad_z, const tfoa_operand *x, int32_t rows, float rate,
                               float *velocity)
{
    for (int32_t out = 0; out < slice->outs; out++) {
        float *latent = slice->latent + out * slice->ins;
        for (int32_t in = 0; in < slice->ins; in += TFOA_RUN) {
            const int32_t count = tfoa_run_of(slice->ins - in);
            float grads[TFOA_RUN];
            tfoa_gradient_run(slice, grad_z, x, rows, out, in, grads);
            for (int32_t i = 0; i < count; i++, velocity++) {
                *velocity = *velocity * DECAY + grads[i];
                latent[in + i] = tfoa_limited(latent[in + i] - *velocity * rate, slice->limit);
            }
        }
        tfoa_follow_signs(slice, out);
    }
}

void tfoa_weight_momentum_step_on_integers(const tfoa_slice *slice, const float *grad_z, const tfoa_operand *x, int32_t rows,
                                           float rate, float *velocity)
{
    const uint32_t word = tfoa_word_of(slice);
    const float factor = tfoa_rate_in_quanta(slice, rate);
    for (int32_t out = 0; out < slice->outs; out++) {
        for (int32_t in = 0; in < slice->ins; in += TFOA_RUN) {
            const int32_t count = tfoa_run_of(slice->ins - in);
            float changes[TFOA_RUN];
            tfoa_gradient_run(slice, grad_z, x, rows, out, in, changes);
            for (int32_t i = 0; i < count; i++, velocity++) {
                *velocity = *velocity * DECAY + changes[i];
                changes[i] = *velocity * factor;
            }
            tfoa_move_run(slice, word, out, in, changes);
        }
        tfoa_follow_integer_signs(slice, out);
    }
}

void tfoa_bias_momentum_step(const tfoa_slice *slice, const float *grad_z, int32_t rows, float rate, float *velocity)
{
    for (int32_t out = 0; out < slice->outs; out++, velocity++) {
        *velocity = *velocity * DECAY + tfoa_bias_grad(slice, grad_z, rows, out);
        slice->bias[out] -= *velocity * rate;
    }
}
