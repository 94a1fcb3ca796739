/* v <- 0.9 v + gradient, W <- clip(W - rate v). */
#include "integer_weights.h"

#define DECAY 0.9f

void tfoa_weight_momentum_step(const tfoa_slice *slice, const float *grad_z, const tfoa_operand *x, int32_t rows, float rate,
                               float *velocity)
{
    for (int32_t out = 0; out < slice->outs; out++) {
        float *latent = slice->latent + out * slice->ins;
        for (int32_t in = 0; in < slice->ins; in++, velocity++) {
            *velocity = *velocity * DECAY + tfoa_weight_grad(slice, grad_z, x, rows, out, in);
            latent[in] = tfoa_limited(latent[in] - *velocity * rate, slice->limit);
        }
        tfoa_follow_signs(slice, out);
    }
}

void tfoa_weight_momentum_step_on_integers(const tfoa_slice *slice, const float *grad_z, const tfoa_operand *x, int32_t rows,
                                           float rate, float *velocity)
{
    const uint32_t word = tfoa_word_of_step(slice);
    const float factor = tfoa_rate_in_quanta(slice, rate);
    for (int32_t out = 0; out < slice->outs; out++) {
        for (int32_t in = 0; in < slice->ins; in++, velocity++) {
            *velocity = *velocity * DECAY + tfoa_weight_grad(slice, grad_z, x, rows, out, in);
            tfoa_move_integer(slice, word, out * slice->ins + in, *velocity * factor);
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
