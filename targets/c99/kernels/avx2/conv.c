/* Convolution in float32, eight outputs of a row at a time: every output's sum has the order of the plain kernel. */
#include <immintrin.h>

#include "../plain/conv_planes.h"

/* y[i] += w * x[i * stride], i < count. */
static void add_tap(float *y, const float *x, int32_t count, int32_t stride, float w)
{
    int32_t i = 0;
    if (stride == 1) {
        const __m256 factor = _mm256_set1_ps(w);
        for (; i + 8 <= count; i += 8) {
            const __m256 product = _mm256_mul_ps(_mm256_loadu_ps(x + i), factor);
            _mm256_storeu_ps(y + i, _mm256_add_ps(_mm256_loadu_ps(y + i), product));
        }
    }
    for (; i < count; i++) {
        y[i] += x[(size_t)i * (size_t)stride] * w;
    }
}

/* One input channel's part in an output row: x and w point at the channel's image and kernel. */
static void add_to_row(const tfoa_window *window, int32_t out_row, const float *x, const float *w, float *y)
{
    const tfoa_taps rows = tfoa_image_taps(window, 0, out_row);
    const int32_t top = tfoa_window_origin(window, 0, out_row);
    const int32_t stride = window->stride[1], size = window->in_size[1];
    for (int32_t i = rows.first; i < rows.end; i++) {
        const float *x_row = x + (size_t)(top + i * window->dilation[0]) * (size_t)size;
        const float *w_row = w + (size_t)i * (size_t)window->kernel[1];
        for (int32_t j = 0; j < window->kernel[1]; j++) {
            /* The outputs for which this tap lies inside: 0 <= out * stride + offset < size. */
            const int32_t offset = j * window->dilation[1] - window->pad_begin[1];
            const int32_t first = offset < 0 ? (stride - 1 - offset) / stride : 0;
            const int32_t all = size > offset ? (size - offset + stride - 1) / stride : 0;
            const int32_t end = all < window->out_size[1] ? all : window->out_size[1];
            if (first < end) {
                add_tap(y + first, x_row + first * stride + offset, end - first, stride, w_row[j]);
            }
        }
    }
}

static void convolve_rows(const tfoa_window *window, int32_t channels, const float *x, const float *w, float bias, float *y)
{
    const size_t image = tfoa_area(window->in_size), kernel = tfoa_area(window->kernel);
    for (int32_t row = 0; row < window->out_size[0]; row++) {
        for (int32_t i = 0; i < window->out_size[1]; i++) {
            y[i] = bias;
        }
        for (int32_t channel = 0; channel < channels; channel++) {
            add_to_row(window, row, x + (size_t)channel * image, w + (size_t)channel * kernel, y);
        }
        y += window->out_size[1];
    }
}

void tfoa_conv(const tfoa_conv_shape *shape, const float *x, const float *w, const float *bias, float *y)
{
    tfoa_convolve_planes(shape, x, w, bias, y, convolve_rows);
}
