/* W <- clip(W - rate * clip(g / sqrt(power))): as long as the rate says, whatever the gradient's size. `power` is the running
 * mean of g^2 over the slice in the steps before, so that gradient and update are one pass; until it is known, steps only measure
 * it. A gradient that has grown since moves no weight further than REACH times the rate. */
#include <math.h>

#include "integer_weights.h"

#define LEAST_SHARE 0.00390625f
#define EPSILON 1e-12f
#define REACH 10.0f

/* What a gradient is multiplied by. */
static float normalized_factor(const float *power, int32_t *count, float rate)
{
    if (*count < INT32_MAX) {
        *count += 1;
    }
    return *power == 0.0f ? 0.0f : rate / (sqrtf(*power) + EPSILON);
}

static void follow_power(float *power, int32_t count, float mean)
{
    const float share = 1.0f / (float)count;
    *power += (mean - *power) * (share > LEAST_SHARE ? share : LEAST_SHARE);
}

void tfoa_weight_normalized_step(const tfoa_slice *slice, const float *grad_z, const tfoa_operand *x, int32_t rows, float rate,
                                 float *power, int32_t *count)
{
    const float factor = normalized_factor(power, count, rate), longest = REACH * rate;
    float sum = 0.0f;
    for (int32_t out = 0; out < slice->outs; out++) {
        float *latent = slice->latent + out * slice->ins;
        float row_sum = 0.0f; /* short sums lose less */
        if (!tfoa_has_error(slice, tfoa_errors_of(slice, grad_z, out), rows)) {
            continue;
        }
        for (int32_t in = 0; in < slice->ins; in += TFOA_RUN) {
            const int32_t count = tfoa_run_of(slice->ins - in);
            float grads[TFOA_RUN];
            tfoa_gradient_run(slice, grad_z, x, rows, out, in, grads);
            for (int32_t i = 0; i < count; i++) {
                row_sum += grads[i] * grads[i];
                latent[in + i] = tfoa_limited(latent[in + i] - tfoa_limited(factor * grads[i], longest), slice->limit);
            }
        }
        sum += row_sum;
        tfoa_follow_signs(slice, out);
    }
    follow_power(power, *count, sum / (float)(slice->outs * slice->ins));
}

void tfoa_weight_normalized_step_on_integers(const tfoa_slice *slice, const float *grad_z, const tfoa_operand *x, int32_t rows,
                                             float rate, float *power, int32_t *count)
{
    const uint32_t word = tfoa_word_of(slice);
    const float in_quanta = tfoa_rate_in_quanta(slice, rate);
    const float factor = normalized_factor(power, count, in_quanta), longest = REACH * in_quanta;
    float sum = 0.0f;
    for (int32_t out = 0; out < slice->outs; out++) {
        float row_sum = 0.0f;
        if (!tfoa_has_error(slice, tfoa_errors_of(slice, grad_z, out), rows)) {
            continue;
        }
        for (int32_t in = 0; in < slice->ins; in += TFOA_RUN) {
            const int32_t count = tfoa_run_of(slice->ins - in);
            float changes[TFOA_RUN];
            tfoa_gradient_run(slice, grad_z, x, rows, out, in, changes);
            for (int32_t i = 0; i < count; i++) {
                row_sum += changes[i] * changes[i];
                changes[i] = tfoa_limited(factor * changes[i], longest);
            }
            tfoa_move_run(slice, word, out, in, changes);
        }
        sum += row_sum;
        tfoa_follow_integer_signs(slice, out);
    }
    follow_power(power, *count, sum / (float)(slice->outs * slice->ins));
}

void tfoa_bias_normalized_step(const tfoa_slice *slice, const float *grad_z, int32_t rows, float rate, float *power,
                               int32_t *count)
{
    const float factor = normalized_factor(power, count, rate), longest = REACH * rate;
    float sum = 0.0f;
    for (int32_t out = 0; out < slice->outs; out++) {
        const float grad = tfoa_bias_grad(slice, grad_z, rows, out);
        sum += grad * grad;
        slice->bias[out] -= tfoa_limited(factor * grad, longest);
    }
    follow_power(power, *count, sum / (float)slice->outs);
}
