/* The gradient of a convolution's input, a part of a row of weights at a time. Each weight takes the errors of all positions of
 * its output back to where it has read, so that every sum runs over the outputs and their taps in order. */
#include "../conv_products.h"

#include <string.h>

#include "taps.h"

static void add_plane_errors(const tfoa_window *window, const tfoa_tap *tap, float weight, const float *grad_z, float *grad_x)
{
    const size_t stride = (size_t)window->stride[1];
    for (int32_t row = tap->rows.first; row < tap->rows.end; row++) {
        const float *from = grad_z + (size_t)row * (size_t)window->out_size[1] + tap->columns.first;
        float *to = grad_x + tfoa_tap_start(window, tap, row);
        const size_t count = (size_t)(tap->columns.end - tap->columns.first);
        for (size_t i = 0; i < count; i++) {
            to[i * stride] += from[i] * weight;
        }
    }
}

/* Weight `number` of a part, for all samples. */
static void add_weight(const tfoa_conv_shape *shape, const tfoa_row_part *part, int32_t number, float weight, const float *grad_z,
                       float *grad_x)
{
    const tfoa_window *window = &shape->window;
    const int32_t taps = (int32_t)tfoa_area(window->kernel);
    const int32_t place = part->first + number;
    const tfoa_tap tap = tfoa_tap_of(window, place % taps);
    const size_t channel = tfoa_input_channel(shape, part->output, part->channel + place / taps);
    for (size_t sample = 0; sample < (size_t)shape->batch; sample++) {
        const size_t plane = sample * (size_t)shape->out_channels + (size_t)part->output;
        const size_t image = sample * (size_t)shape->in_channels + channel;
        add_plane_errors(window, &tap, weight, grad_z + plane * tfoa_area(window->out_size),
                         grad_x + image * tfoa_area(window->in_size));
    }
}

void tfoa_add_conv_input_grad(const tfoa_conv_shape *shape, const tfoa_row_part *part, const void *weights, const float *grad_z,
                              float *grad_x)
{
    for (int32_t i = 0; i < part->count; i++) {
        float weight;
        memcpy(&weight, (const uint8_t *)weights + 4 * (size_t)i, 4); /* the storage holds words */
        add_weight(shape, part, i, weight, grad_z, grad_x);
    }
}

void tfoa_add_signed_conv_input_grad(const tfoa_conv_shape *shape, const tfoa_row_part *part, const uint32_t *signs, float alpha,
                                     const float *grad_z, float *grad_x)
{
    for (int32_t i = 0; i < part->count; i++) {
        add_weight(shape, part, i, (signs[i / 32] >> (i % 32)) & 1u ? alpha : -alpha, grad_z, grad_x);
    }
}
