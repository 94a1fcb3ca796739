/* Local response normalization across channels, y_i = x_i b_i^-beta with b_i = bias + alpha / size * (sum of x_j^2, j near i),
 * and its gradient: grad_x_i = grad_y_i b_i^-beta - 2 alpha beta / size * x_i * (sum of grad_y_j y_j / b_j, i near j). */
#include "../backward.h"
#include "channel_part.h"
#include "expf.h"
#include "logf.h"

/* b of one element: x points at its position in channel 0. */
static float lrn_base(const tfoa_lrn_shape *shape, int32_t channel, const float *x)
{
    const int32_t before = (shape->size - 1) / 2;
    float energy = 0.0f;
    for (int32_t i = channel - before; i < channel - before + shape->size; i++) {
        if (i >= 0 && i < shape->of.channels) {
            const float value = x[(size_t)i * (size_t)shape->of.positions];
            energy += value * value;
        }
    }
    return energy * (shape->alpha / (float)shape->size) + shape->bias;
}

static float falling_power(const tfoa_lrn_shape *shape, float base)
{
    return tfoa_expf(-shape->beta * tfoa_logf(base));
}

void tfoa_lrn(const tfoa_lrn_shape *shape, const float *x, float *y)
{
    for (int32_t sample = 0; sample < shape->of.samples; sample++) {
        for (int32_t channel = 0; channel < shape->of.channels; channel++) {
            for (int32_t i = 0; i < shape->of.positions; i++) {
                const float value = x[(size_t)channel * (size_t)shape->of.positions + (size_t)i];
                *y++ = value * falling_power(shape, lrn_base(shape, channel, x + i));
            }
        }
        x += tfoa_sample_size(&shape->of);
    }
}

/* Sum of grad_y_j y_j / b_j over the channels j that see this one; all point at its position in channel 0. */
static float felt_around(const tfoa_lrn_shape *shape, int32_t channel, const float *grad_y, const float *x, const float *y)
{
    const int32_t after = shape->size / 2;
    float sum = 0.0f;
    for (int32_t j = channel - after; j < channel - after + shape->size; j++) {
        if (j >= 0 && j < shape->of.channels) {
            const size_t place = (size_t)j * (size_t)shape->of.positions;
            sum += grad_y[place] * y[place] / lrn_base(shape, j, x);
        }
    }
    return sum;
}

void tfoa_lrn_grad(const tfoa_lrn_shape *shape, const float *grad_y, const float *x, const float *y, float *grad_x)
{
    const float coupling = 2.0f * shape->alpha / (float)shape->size * shape->beta;
    for (int32_t sample = 0; sample < shape->of.samples; sample++) {
        for (int32_t channel = 0; channel < shape->of.channels; channel++) {
            for (int32_t i = 0; i < shape->of.positions; i++) {
                const size_t place = (size_t)channel * (size_t)shape->of.positions + (size_t)i;
                const float direct = grad_y[place] * falling_power(shape, lrn_base(shape, channel, x + i));
                *grad_x++ = direct - x[place] * felt_around(shape, channel, grad_y + i, x + i, y + i) * coupling;
            }
        }
        const size_t size = tfoa_sample_size(&shape->of);
        grad_y += size;
        x += size;
        y += size;
    }
}
