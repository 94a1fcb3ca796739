/* Products of a convolution, a part of a row of weights at a time. Each weight is added to all positions of its output, so that every sum
 * runs in the order of the row. */
#include "../conv_products.h"

#include <string.h>

#include "taps.h"

static void add_plane(const tfoa_window *window, const tfoa_tap *tap, float weight, const float *x, float *z)
{
    const size_t stride = (size_t)window->stride[1];
    for (int32_t row = tap->rows.first; row < tap->rows.end; row++) {
        const float *from = x + tfoa_tap_start(window, tap, row);
        float *to = z + (size_t)row * (size_t)window->out_size[1] + tap->columns.first;
        const size_t count = (size_t)(tap->columns.end - tap->columns.first);
        for (size_t i = 0; i < count; i++) {
            to[i] += from[i * stride] * weight;
        }
    }
}

void tfoa_add_conv_products(const tfoa_conv_shape *shape, const tfoa_row_part *part, const void *weights, const float *x, float *z)
{
    const tfoa_window *window = &shape->window;
    const int32_t taps = (int32_t)tfoa_area(window->kernel);
    const size_t image = tfoa_area(window->in_size);
    const size_t plane = tfoa_area(window->out_size);
    for (int32_t i = 0; i < part->count; i++) {
        float weight;
        memcpy(&weight, (const uint8_t *)weights + 4 * (size_t)i, 4); /* the storage holds words */
        const int32_t place = part->first + i;
        const tfoa_tap tap = tfoa_tap_of(window, place % taps);
        const size_t channel = tfoa_input_channel(shape, part->output, part->channel + place / taps);
        for (size_t sample = 0; sample < (size_t)shape->batch; sample++) {
            const float *x_plane = x + (sample * (size_t)shape->in_channels + channel) * image;
            add_plane(window, &tap, weight, x_plane, z + (sample * (size_t)shape->out_channels + (size_t)part->output) * plane);
        }
    }
}

static void add_signed_plane(const tfoa_window *window, const tfoa_tap *tap, int32_t sign, const int16_t *q, int32_t *sums)
{
    const size_t stride = (size_t)window->stride[1];
    for (int32_t row = tap->rows.first; row < tap->rows.end; row++) {
        const int16_t *from = q + tfoa_tap_start(window, tap, row);
        int32_t *to = sums + (size_t)row * (size_t)window->out_size[1] + tap->columns.first;
        const size_t count = (size_t)(tap->columns.end - tap->columns.first);
        for (size_t i = 0; i < count; i++) {
            to[i] += sign * from[i * stride];
        }
    }
}

void tfoa_add_signed_conv(const tfoa_conv_shape *shape, const tfoa_row_part *part, const uint32_t *signs, const int16_t *q,
                          int32_t *sums)
{
    const tfoa_window *window = &shape->window;
    const int32_t taps = (int32_t)tfoa_area(window->kernel);
    const size_t image = tfoa_area(window->in_size);
    for (int32_t i = 0; i < part->count; i++) {
        const int32_t place = part->first + i;
        const int32_t sign = (signs[i / 32] >> (i % 32)) & 1u ? 1 : -1;
        const tfoa_tap tap = tfoa_tap_of(window, place % taps);
        const size_t channel = tfoa_input_channel(shape, part->output, part->channel + place / taps);
        add_signed_plane(window, &tap, sign, q + channel * image, sums);
    }
}

/* The bit under a tap at an output position; 0 where that is padding. */
static uint32_t bit_under(const tfoa_window *window, const uint32_t *x, size_t channel, int32_t tap, const int32_t position[2])
{
    const int32_t row = tfoa_window_origin(window, 0, position[0]) + tap / window->kernel[1] * window->dilation[0];
    const int32_t column = tfoa_window_origin(window, 1, position[1]) + tap % window->kernel[1] * window->dilation[1];
    if (row < 0 || row >= window->in_size[0] || column < 0 || column >= window->in_size[1]) {
        return 0u;
    }
    const size_t bit = (channel * (size_t)window->in_size[0] + (size_t)row) * (size_t)window->in_size[1] + (size_t)column;
    return (x[bit / 32u] >> (bit % 32u)) & 1u;
}

void tfoa_gather_patch(const tfoa_conv_shape *shape, const tfoa_row_part *part, const uint32_t *x, int32_t position, uint32_t *patch)
{
    const tfoa_window *window = &shape->window;
    const int32_t taps = (int32_t)tfoa_area(window->kernel);
    const int32_t place[2] = {position / window->out_size[1], position % window->out_size[1]};
    for (int32_t first = 0; first < part->count; first += 32) {
        const int32_t count = part->count - first < 32 ? part->count - first : 32;
        uint32_t word = 0u;
        for (int32_t i = 0; i < count; i++) {
            const int32_t of_row = part->first + first + i;
            const size_t channel = tfoa_input_channel(shape, part->output, part->channel + of_row / taps);
            word |= bit_under(window, x, channel, of_row % taps, place) << i;
        }
        *patch++ = word;
    }
}
