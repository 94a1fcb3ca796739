/* Batch normalization by given statistics, and its gradient: y = x * factor + offset, with factor = gain / sqrt(variance + epsilon). */
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
