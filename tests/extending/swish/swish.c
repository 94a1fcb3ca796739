#include "swish.h"

#include <math.h>

static float sigmoid(float x)
{
    return 1.0f / (1.0f + expf(-x));
}

void swish(int32_t size, const float *x, float *y)
{
    for (int32_t i = 0; i < size; i++) {
        y[i] = x[i] * sigmoid(x[i]);
    }
}

void swish_grad(const tfoa_channel_part *part, const float *x, float *grad)
{
    const int32_t positions = part->all.positions, count = part->count * positions;
    x += part->first * positions;
    for (int32_t sample = 0; sample < part->all.samples; sample++) {
        for (int32_t i = 0; i < count; i++) {
            const float s = sigmoid(x[i]);
            grad[i] *= s + x[i] * s * (1.0f - s);
        }
        grad += count;
        x += part->all.channels * positions;
    }
}
