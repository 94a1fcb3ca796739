/* v <- 0.9 v + gradient, W <- clip(W - rate v). */
#include "weight_steps.h"

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

void tfoa_bias_momentum_step(const tfoa_slice *slice, const float *grad_z, int32_t rows, float rate, float *velocity)
{
    for (int32_t out = 0; out < slice->outs; out++, velocity++) {
        *velocity = *velocity * DECAY + tfoa_bias_grad(slice, grad_z, rows, out);
        slice->bias[out] -= *velocity * rate;
    }
}
