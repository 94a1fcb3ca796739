/* The shift of a batch normalization, a threshold of each channel, moves against the sum of its errors. */
#include "../backward.h"
#include "channel_part.h"

void tfoa_shift_sgd_step(const tfoa_channel_part *part, float rate, float share, const float *grad, float *shift)
{
    const size_t positions = (size_t)part->all.positions;
    const float own_rate = rate * share;
    for (int32_t channel = 0; channel < part->count; channel++) {
        float sum = 0.0f;
        for (int32_t sample = 0; sample < part->all.samples; sample++) {
            const float *errors = grad + ((size_t)sample * (size_t)part->count + (size_t)channel) * positions;
            for (size_t i = 0; i < positions; i++) {
                sum += errors[i];
            }
        }
        shift[part->first + channel] -= sum * own_rate;
    }
}
