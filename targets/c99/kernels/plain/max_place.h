/* Where a window has its largest element. */
#ifndef TFOA_MAX_PLACE_H
#define TFOA_MAX_PLACE_H

#include "window.h"

/* The place in image x of the first largest element, or of a NaN if there is one. */
static inline size_t tfoa_max_place(const tfoa_window *window, const int32_t out[2], const float *x)
{
    const tfoa_taps rows = tfoa_image_taps(window, 0, out[0]);
    const tfoa_taps columns = tfoa_image_taps(window, 1, out[1]);
    const int32_t top = tfoa_window_origin(window, 0, out[0]) + rows.first * window->dilation[0];
    const int32_t left = tfoa_window_origin(window, 1, out[1]) + columns.first * window->dilation[1];
    const size_t first = (size_t)top * (size_t)window->in_size[1] + (size_t)left;
    size_t best = first;
    for (int32_t i = 0; i < rows.end - rows.first; i++) {
        const size_t row = first + (size_t)(i * window->dilation[0]) * (size_t)window->in_size[1];
        for (int32_t j = 0; j < columns.end - columns.first; j++) {
            const size_t place = row + (size_t)(j * window->dilation[1]);
            if (x[place] > x[best] || x[place] != x[place]) {
                best = place;
            }
        }
    }
    return best;
}

#endif
