#include "../backward.h"
#include "window.h"

/* Adds a share to every element of a window that lies inside the image. */
static void add_inside(const tfoa_window *window, const int32_t out[2], float share, float *grad_x)
{
    const tfoa_taps rows = tfoa_image_taps(window, 0, out[0]);
    const tfoa_taps columns = tfoa_image_taps(window, 1, out[1]);
    const int32_t top = tfoa_window_origin(window, 0, out[0]);
    const int32_t left = tfoa_window_origin(window, 1, out[1]);
    for (int32_t i = rows.first; i < rows.end; i++) {
        float *row = grad_x + (size_t)(top + i * window->dilation[0]) * (size_t)window->in_size[1];
        for (int32_t j = columns.first; j < columns.end; j++) {
            row[left + j * window->dilation[1]] += share;
        }
    }
}

void tfoa_average_pool_grad(const tfoa_window *window, int32_t planes, int32_t count_include_pad, const float *grad_y,
                            float *grad_x)
{
    const size_t area = tfoa_area(window->in_size);
    int32_t out[2];
    for (int32_t plane = 0; plane < planes; plane++) {
        for (size_t i = 0; i < area; i++) {
            grad_x[i] = 0.0f;
        }
        for (out[0] = 0; out[0] < window->out_size[0]; out[0]++) {
            const int32_t rows = tfoa_counted_taps(window, 0, out[0], count_include_pad);
            for (out[1] = 0; out[1] < window->out_size[1]; out[1]++) {
                const int32_t columns = tfoa_counted_taps(window, 1, out[1], count_include_pad);
                add_inside(window, out, *grad_y++ / (float)(rows * columns), grad_x);
            }
        }
        grad_x += area;
    }
}
