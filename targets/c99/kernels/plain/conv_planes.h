/* What all variants of a convolution share: the walk over samples and output channels. */
#ifndef TFOA_KERNELS_CONV_PLANES_H
#define TFOA_KERNELS_CONV_PLANES_H

#include "window.h"

/* One output channel of one sample: x points at the group's first image, w at the channel's kernels. */
typedef void tfoa_conv_plane(const tfoa_window *window, int32_t channels, const float *x, const float *w, float bias, float *y);

static inline void tfoa_convolve_planes(const tfoa_conv_shape *shape, const float *x, const float *w, const float *bias, float *y,
                                        tfoa_conv_plane *convolve_plane)
{
    const tfoa_window *window = &shape->window;
    const int32_t channels = shape->in_channels / shape->groups;
    const int32_t outputs = shape->out_channels / shape->groups;
    const size_t group_size = (size_t)channels * tfoa_area(window->in_size);
    const size_t kernels_size = (size_t)channels * tfoa_area(window->kernel);
    const size_t plane_size = tfoa_area(window->out_size);
    for (int32_t sample = 0; sample < shape->batch; sample++) {
        for (int32_t channel = 0; channel < shape->out_channels; channel++) {
            const size_t group = (size_t)sample * (size_t)shape->groups + (size_t)(channel / outputs);
            convolve_plane(window, channels, x + group * group_size, w + (size_t)channel * kernels_size,
                           bias ? bias[channel] : 0.0f, y);
            y += plane_size;
        }
    }
}

#endif
