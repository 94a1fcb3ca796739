#include "conv_planes.h"

/* The sum over one window of one input channel, added to total. x and w point at the channel's image and kernel. */
static float add_channel(const tfoa_window *window, const int32_t out[2], const float *x, const float *w, float total)
{
    const tfoa_taps rows = tfoa_image_taps(window, 0, out[0]);
    const tfoa_taps columns = tfoa_image_taps(window, 1, out[1]);
    const int32_t top = tfoa_window_origin(window, 0, out[0]);
    const int32_t left = tfoa_window_origin(window, 1, out[1]);
    for (int32_t i = rows.first; i < rows.end; i++) {
        const float *x_row = x + (size_t)(top + i * window->dilation[0]) * (size_t)window->in_size[1];
        const float *w_row = w + (size_t)i * (size_t)window->kernel[1];
        for (int32_t j = columns.first; j < columns.end; j++) {
            total += x_row[left + j * window->dilation[1]] * w_row[j];
        }
    }
    return total;
}

static void convolve_plane(const tfoa_window *window, int32_t channels, const float *x, const float *w, float bias, float *y)
{
    const size_t image = tfoa_area(window->in_size);
    const size_t kernel = tfoa_area(window->kernel);
    int32_t out[2];
    for (out[0] = 0; out[0] < window->out_size[0]; out[0]++) {
        for (out[1] = 0; out[1] < window->out_size[1]; out[1]++) {
            float total = bias;
            for (int32_t channel = 0; channel < channels; channel++) {
                total = add_channel(window, out, x + (size_t)channel * image, w + (size_t)channel * kernel, total);
            }
            *y++ = total;
        }
    }
}

void tfoa_conv(const tfoa_conv_shape *shape, const float *x, const float *w, const float *bias, float *y)
{
    tfoa_convolve_planes(shape, x, w, bias, y, convolve_plane);
}
