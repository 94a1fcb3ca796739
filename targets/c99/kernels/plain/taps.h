/* One tap of a kernel: the output positions at which it lies inside the image, and what it reads there. */
#ifndef TFOA_KERNELS_TAPS_H
#define TFOA_KERNELS_TAPS_H

#include "window.h"

typedef struct tfoa_tap {
    tfoa_taps rows;    /* of the output */
    tfoa_taps columns; /* of the output */
    int32_t top;       /* row and column of the image at output position 0, 0; negative in the padding */
    int32_t left;
} tfoa_tap;

static inline tfoa_tap tfoa_tap_of(const tfoa_window *window, int32_t number)
{
    tfoa_tap tap;
    tap.top = number / window->kernel[1] * window->dilation[0] - window->pad_begin[0];
    tap.left = number % window->kernel[1] * window->dilation[1] - window->pad_begin[1];
    /* Output positions reach over the image in steps of the stride as taps of a window do in steps of the dilation. */
    tap.rows = tfoa_taps_inside(tap.top, window->stride[0], window->out_size[0], window->in_size[0]);
    tap.columns = tfoa_taps_inside(tap.left, window->stride[1], window->out_size[1], window->in_size[1]);
    if (tap.columns.first == tap.columns.end) {
        tap.rows.end = tap.rows.first; /* in the padding throughout */
    }
    return tap;
}

/* Where in the image the first column of an output row reads, for the tap's first column. */
static inline size_t tfoa_tap_start(const tfoa_window *window, const tfoa_tap *tap, int32_t row)
{
    const int32_t column = tap->left + tap->columns.first * window->stride[1];
    return (size_t)(tap->top + row * window->stride[0]) * (size_t)window->in_size[1] + (size_t)column;
}

/* The input channel that channel `channel` of the group of an output is. */
static inline size_t tfoa_input_channel(const tfoa_conv_shape *shape, int32_t output, int32_t channel)
{
    return (size_t)(output / (shape->out_channels / shape->groups) * (shape->in_channels / shape->groups) + channel);
}

#endif
