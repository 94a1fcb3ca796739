/* Batch normalization by given statistics, its gradient and a step of its shift: y = x * factor + offset, with
 * factor = gain / sqrt(variance + epsilon) and offset = shift - mean * factor. */
#include <math.h>

#include "../backward.h"
#include "channel_part.h"

void tfoa_batch_normalization(const tfoa_channels *shape, const tfoa_normalization *by, const float *x, float *y)
{
    for (int32_t sample = 0; sample < shape->samples; sample++) {
        for (int32_t channel = 0; channel < shape->channels; channel++) {
            const float factor = by->gain[channel] / sqrtf(by->variance[channel] + by->epsilon);
            const float offset = by->shift[channel] - by->mean[channel] * factor;
            for (int32_t i = 0; i < shape->positions; i++) {
                *y++ = *x++ * factor + offset;
            }
        }
    }
}

void tfoa_batch_normalization_grad(const tfoa_channel_part *part, float epsilon, const float *gain, const float *variance,
                                   float *grad)
{
    for (int32_t sample = 0; sample < part->all.samples; sample++) {
        for (int32_t channel = part->first; channel < part->first + part->count; channel++) {
            const float factor = gain[channel] / sqrtf(variance[channel] + epsilon);
            for (int32_t i = 0; i < part->all.positions; i++) {
                *grad++ *= factor;
            }
        }
    }
}

void tfoa_shift_sgd_step(const tfoa_channel_part *part, float share, float rate, const float *grad, float *shift)
{
    for (int32_t channel = 0; channel < part->count; channel++) {
        float sum = 0.0f;
        for (int32_t sample = 0; sample < part->all.samples; sample++) {
            const float *image = grad + (size_t)(sample * part->count + channel) * (size_t)part->all.positions;
            for (int32_t i = 0; i < part->all.positions; i++) {
                sum += image[i];
            }
        }
        shift[part->first + channel] -= share * rate * sum;
    }
}
