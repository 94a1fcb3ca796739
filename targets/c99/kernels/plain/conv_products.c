/* Products of a convolution, a part of a row of weights at a time. Each weight is added to all positions of its output, so that
 * every sum runs in the order of the row. */
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

void tfoa_add_conv_products(const tfoa_conv_shape *shape, const tfoa_row_part *part, const void *weights, const float *x,
                            float *z)
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

/* `image` is the first bit of the channel. */
static void add_bit_plane(const tfoa_window *window, const tfoa_tap *tap, int32_t sign, const uint32_t *x, size_t image,
                          int32_t *sums)
{
    for (int32_t row = tap->rows.first; row < tap->rows.end; row++) {
        int32_t *to = sums + (size_t)row * (size_t)window->out_size[1] + tap->columns.first;
        const size_t count = (size_t)(tap->columns.end - tap->columns.first);
        size_t bit = image + tfoa_tap_start(window, tap, row);
        for (size_t i = 0; i < count; i++, bit += (size_t)window->stride[1]) {
            to[i] += (x[bit / 32u] >> (bit % 32u)) & 1u ? sign : 0;
        }
    }
}

void tfoa_add_bit_conv(const tfoa_conv_shape *shape, const tfoa_row_part *part, const uint32_t *signs, const uint32_t *x,
                       int32_t *sums)
{
    const tfoa_window *window = &shape->window;
    const int32_t taps = (int32_t)tfoa_area(window->kernel);
    for (int32_t i = 0; i < part->count; i++) {
        const int32_t place = part->first + i;
        const int32_t sign = (signs[i / 32] >> (i % 32)) & 1u ? 1 : -1;
        const tfoa_tap tap = tfoa_tap_of(window, place % taps);
        const size_t channel = tfoa_input_channel(shape, part->output, part->channel + place / taps);
        add_bit_plane(window, &tap, sign, x, channel * tfoa_area(window->in_size), sums);
    }
}

/* Where a window lies at an output position: the taps inside the image, and what its first one reads, in the padding maybe. */
typedef struct site_of_window {
    tfoa_taps rows;
    tfoa_taps columns;
    ptrdiff_t top;
    ptrdiff_t left;
} site_of_window;

static site_of_window site_at(const tfoa_window *window, int32_t position)
{
    const int32_t row = position / window->out_size[1];
    const int32_t column = position % window->out_size[1];
    const site_of_window site = {tfoa_image_taps(window, 0, row), tfoa_image_taps(window, 1, column),
                                 tfoa_window_origin(window, 0, row), tfoa_window_origin(window, 1, column)};
    return site;
}

/* Set the bits of a patch from `place` on that taps [tap, end) of one row of a kernel see; x_row: where tap 0 reads, in bits. */
static inline void gather_row(const uint32_t *x, ptrdiff_t x_row, ptrdiff_t dilation, tfoa_taps taps, uint32_t *patch,
                              int32_t place)
{
    for (int32_t tap = taps.first; tap < taps.end; tap++, place++) {
        const size_t bit = (size_t)(x_row + tap * dilation);
        patch[(uint32_t)place / 32u] |= ((x[bit / 32u] >> (bit % 32u)) & 1u) << ((uint32_t)place % 32u);
    }
}

void tfoa_gather_patch(const tfoa_conv_shape *shape, const tfoa_row_part *part, const uint32_t *x, int32_t position,
                       uint32_t *patch)
{
    const tfoa_window *window = &shape->window;
    const site_of_window site = site_at(window, position);
    const int32_t height = window->kernel[0];
    const int32_t width = window->kernel[1];
    const int32_t first_row = part->first / width; /* rows of kernels, counted through the channels of the part */
    int32_t row = first_row % height;
    int32_t tap = part->first % width;
    /* The line that row 0 of a channel's kernel reads, of all channels' lines. */
    ptrdiff_t line =
        (ptrdiff_t)tfoa_input_channel(shape, part->output, part->channel + first_row / height) * window->in_size[0] + site.top;
    memset(patch, 0, sizeof *patch * (size_t)TFOA_WORDS(part->count));
    for (int32_t place = 0; place < part->count;) {
        const int32_t end = width - tap < part->count - place ? width : tap + part->count - place;
        if (row >= site.rows.first && row < site.rows.end) {
            const tfoa_taps taps = {tap > site.columns.first ? tap : site.columns.first,
                                    end < site.columns.end ? end : site.columns.end};
            const ptrdiff_t x_row = (line + (ptrdiff_t)row * window->dilation[0]) * window->in_size[1] + site.left;
            gather_row(x, x_row, window->dilation[1], taps, patch, place + taps.first - tap);
        }
        place += end - tap;
        tap = 0;
        row++;
        if (row == height) {
            row = 0;
            line += window->in_size[0];
        }
    }
}
