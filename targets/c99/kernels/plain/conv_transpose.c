#include "../conv_products.h"

#include "window.h"

void tfoa_conv_transpose(const tfoa_conv_shape *shape, const float *x, const float *w, const float *bias, float *y)
{
    const int32_t area = (int32_t)tfoa_area(shape->window.in_size);
    const int32_t row = shape->in_channels / shape->groups * (int32_t)tfoa_area(shape->window.kernel);
    for (int32_t plane = 0; plane < shape->batch * shape->in_channels; plane++) {
        tfoa_fill(area, bias ? bias[plane % shape->in_channels] : 0.0f, y + (size_t)plane * (size_t)area);
    }
    for (int32_t channel = 0; channel < shape->out_channels; channel++) {
        const tfoa_row_part part = {channel, 0, 0, row};
        tfoa_add_conv_input_grad(shape, &part, w + (size_t)channel * (size_t)row, x, y);
    }
}
