#include "window.h"

static float sum_inside(const tfoa_window *window, const int32_t out[2], const float *x)
{
    const tfoa_taps rows = tfoa_image_taps(window, 0, out[0]);
    const tfoa_taps columns = tfoa_image_taps(window, 1, out[1]);
    const int32_t top = tfoa_window_origin(window, 0, out[0]);
    const int32_t left = tfoa_window_origin(window, 1, out[1]);
    float total = 0.0f;
    for (int32_t i = rows.first; i < rows.end; i++) {
        const float *row = x + (size_t)(top + i * window->dilation[0]) * (size_t)window->in_size[1];
        for (int32_t j = columns.first; j < columns.end; j++) {
            total += row[left + j * window->dilation[1]];
        }
    }
    return total;
}

void tfoa_average_pool(const tfoa_window *window, int32_t planes, int32_t count_include_pad, const float *x, float *y)
{
    int32_t out[2];
    for (int32_t plane = 0; plane < planes; plane++) {
        for (out[0] = 0; out[0] < window->out_size[0]; out[0]++) {
            const int32_t rows = tfoa_counted_taps(window, 0, out[0], count_include_pad);
            for (out[1] = 0; out[1] < window->out_size[1]; out[1]++) {
                const int32_t columns = tfoa_counted_taps(window, 1, out[1], count_include_pad);
                *y++ = sum_inside(window, out, x) / (float)(rows * columns);
            }
        }
        x += tfoa_area(window->in_size);
    }
}
