/* Running mean and variance of each channel: moments of the mixture of what was, whose share is the momentum, and the batch. */
#include "../forward.h"
#include "channel_part.h"

void tfoa_follow_statistics(const tfoa_channels *shape, float momentum, const float *x, float *mean, float *variance)
{
    const float share = 1.0f - momentum;
    const float count = (float)(shape->samples * shape->positions);
    for (int32_t channel = 0; channel < shape->channels; channel++) {
        float distance = 0.0f, energy = 0.0f;
        for (int32_t sample = 0; sample < shape->samples; sample++) {
            const float *image = x + (size_t)sample * tfoa_sample_size(shape) + (size_t)channel * (size_t)shape->positions;
            for (int32_t i = 0; i < shape->positions; i++) {
                const float centered = image[i] - mean[channel];
                distance += centered;
                energy += centered * centered;
            }
        }
        distance /= count;
        const float move = distance * share;
        const float spread = energy / count - distance * move;
        mean[channel] += move;
        variance[channel] = variance[channel] * momentum + spread * share;
    }
}
