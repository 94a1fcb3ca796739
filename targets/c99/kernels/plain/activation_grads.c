/* Gradients through activations that let an error pass or stop it. */
#include "../backward.h"
#include "../kernels.h"
#include "channel_part.h"

void tfoa_straight_through_grad(const tfoa_channel_part *part, const uint32_t *window, float *grad)
{
    const size_t size = tfoa_part_size(part), start = tfoa_part_start(part);
    const size_t words = TFOA_WORDS(tfoa_sample_size(&part->all));
    for (int32_t sample = 0; sample < part->all.samples; sample++) {
        for (size_t i = 0; i < size; i++) {
            const size_t unit = start + i;
            if (((window[unit / 32] >> (unit % 32)) & 1u) == 0u) {
                grad[i] = 0.0f;
            }
        }
        grad += size;
        window += words;
    }
}

void tfoa_relu_grad(const tfoa_channel_part *part, const float *y, float *grad)
{
    const size_t size = tfoa_part_size(part);
    y += tfoa_part_start(part);
    for (int32_t sample = 0; sample < part->all.samples; sample++) {
        for (size_t i = 0; i < size; i++) {
            if (!(y[i] > 0.0f)) {
                grad[i] = 0.0f;
            }
        }
        grad += size;
        y += tfoa_sample_size(&part->all);
    }
}

void tfoa_clip_grad(const tfoa_channel_part *part, float min, float max, const float *y, float *grad)
{
    const size_t size = tfoa_part_size(part);
    y += tfoa_part_start(part);
    for (int32_t sample = 0; sample < part->all.samples; sample++) {
        for (size_t i = 0; i < size; i++) {
            if (!(y[i] > min && y[i] < max)) {
                grad[i] = 0.0f;
            }
        }
        grad += size;
        y += tfoa_sample_size(&part->all);
    }
}
