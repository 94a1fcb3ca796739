#include "window.h"

/* The largest element, or NaN if there is one. x points at the image. */
static float largest(const tfoa_window *window, const int32_t out[2], const float *x)
{
    const tfoa_taps rows = tfoa_image_taps(window, 0, out[0]);
    const tfoa_taps columns = tfoa_image_taps(window, 1, out[1]);
    const int32_t top = tfoa_window_origin(window, 0, out[0]) + rows.first * window->dilation[0];
    const int32_t left = tfoa_window_origin(window, 1, out[1]) + columns.first * window->dilation[1];
    const float *first = x + (size_t)top * (size_t)window->in_size[1] + (size_t)left;
    float best = *first;
    for (int32_t i = 0; i < rows.end - rows.first; i++) {
        const float *row = first + (size_t)(i * window->dilation[0]) * (size_t)window->in_size[1];
        for (int32_t j = 0; j < columns.end - columns.first; j++) {
            const float value = row[j * window->dilation[1]];
            if (value > best || value != value) {
                best = value;
            }
        }
    }
    return best;
}

void tfoa_max_pool(const tfoa_window *window, int32_t planes, const float *x, float *y)
{
    int32_t out[2];
    for (int32_t plane = 0; plane < planes; plane++) {
        for (out[0] = 0; out[0] < window->out_size[0]; out[0]++) {
            for (out[1] = 0; out[1] < window->out_size[1]; out[1]++) {
                *y++ = largest(window, out, x);
            }
        }
        x += tfoa_area(window->in_size);
    }
}
