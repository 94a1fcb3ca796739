/* Adam (Kingma and Ba 2015, algorithm 1), with moments and a step count of the slice's own. */
#include <math.h>

#include "integer_weights.h"

#define DECAY_MEAN 0.9f
#define DECAY_VARIANCE 0.999f
#define EPSILON 1e-8f

/* What the moments of a step are divided by. */
typedef struct adam_bias {
    float mean;
    float variance;
} adam_bias;

/* base^count by repeated squaring; in double, so that the one rounding to float is the last. */
static float power(float base, int32_t count)
{
    double result = 1.0;
    double square = (double)base;
    for (uint32_t left = (uint32_t)count; left > 0u; left >>= 1) {
        if (left & 1u) {
            result *= square;
        }
        square *= square;
    }
    return (float)result;
}

static adam_bias count_step(const tfoa_moments *moments)
{
    if (*moments->count < INT32_MAX) {
        *moments->count += 1;
    }
    const adam_bias bias = {1.0f - power(DECAY_MEAN, *moments->count), 1.0f - power(DECAY_VARIANCE, *moments->count)};
    return bias;
}

/* Follow the gradient with both moments of one weight; return its step at rate 1. */
static float direction(float *mean, float *variance, float grad, adam_bias bias)
{
    *mean = *mean * DECAY_MEAN + grad * (1.0f - DECAY_MEAN);
    *variance = *variance * DECAY_VARIANCE + grad * grad * (1.0f - DECAY_VARIANCE);
    return *mean / bias.mean / (sqrtf(*variance / bias.variance) + EPSILON);
}

void tfoa_weight_adam_step(const tfoa_slice *slice, const float *grad_z, const tfoa_operand *x, int32_t rows, float rate,
                           const tfoa_moments *moments)
{
    const adam_bias bias = count_step(moments);
    float *mean = moments->mean;
    float *variance = moments->variance;
    for (int32_t out = 0; out < slice->outs; out++) {
        float *latent = slice->latent + out * slice->ins;
        for (int32_t in = 0; in < slice->ins; in += TFOA_RUN) {
            const int32_t count = tfoa_run_of(slice->ins - in);
            float grads[TFOA_RUN];
            tfoa_gradient_run(slice, grad_z, x, rows, out, in, grads);
            for (int32_t i = 0; i < count; i++) {
                const float change = direction(mean++, variance++, grads[i], bias) * rate;
                latent[in + i] = tfoa_limited(latent[in + i] - change, slice->limit);
            }
        }
        tfoa_follow_signs(slice, out);
    }
}

void tfoa_weight_adam_step_on_integers(const tfoa_slice *slice, const float *grad_z, const tfoa_operand *x, int32_t rows,
                                       float rate, const tfoa_moments *moments)
{
    const uint32_t word = tfoa_word_of(slice);
    const float factor = tfoa_rate_in_quanta(slice, rate);
    const adam_bias bias = count_step(moments);
    float *mean = moments->mean;
    float *variance = moments->variance;
    for (int32_t out = 0; out < slice->outs; out++) {
        for (int32_t in = 0; in < slice->ins; in += TFOA_RUN) {
            const int32_t count = tfoa_run_of(slice->ins - in);
            float changes[TFOA_RUN];
            tfoa_gradient_run(slice, grad_z, x, rows, out, in, changes);
            for (int32_t i = 0; i < count; i++) {
                changes[i] = direction(mean++, variance++, changes[i], bias) * factor;
            }
            tfoa_move_run(slice, word, out, in, changes);
        }
        tfoa_follow_integer_signs(slice, out);
    }
}

void tfoa_bias_adam_step(const tfoa_slice *slice, const float *grad_z, int32_t rows, float rate, const tfoa_moments *moments)
{
    const adam_bias bias = count_step(moments);
    for (int32_t out = 0; out < slice->outs; out++) {
        const float grad = tfoa_bias_grad(slice, grad_z, rows, out);
        slice->bias[out] -= direction(&moments->mean[out], &moments->variance[out], grad, bias) * rate;
    }
}
