/* z = alpha (x * sign(W)) + b, a convolution of real numbers with signs, of 16-bit integers and so exact on every platform.
 * And the gradient of x, in float32. */
#include "conv_rows.h"
#include "products.h"

tfoa_status tfoa_sign_conv(const tfoa_context *context, const tfoa_layer *layer, const tfoa_conv_shape *shape, const float *x,
                           int16_t *scratch, float *z)
{
    const tfoa_view view = tfoa_view_of(context, layer);
    const tfoa_conv_input input = {shape, NULL, scratch, 0};
    const int32_t size = shape->in_channels * shape->window.in_size[0] * shape->window.in_size[1];
    tfoa_status status = TFOA_OK;
    for (int32_t sample = 0; sample < shape->batch && status == TFOA_OK; sample++) {
        float *planes = z + sample * shape->out_channels * layer->positions;
        const float step = tfoa_quantize(x + sample * size, size, scratch);
        for (int32_t out = 0; out < shape->out_channels && status == TFOA_OK; out++) {
            status = tfoa_sign_row_sums(&view, &input, out, (int32_t *)(void *)(planes + out * layer->positions));
        }
        if (status == TFOA_OK) {
            status = tfoa_scale_conv_sums(&view, step, 1.0f, planes);
        }
    }
    return status;
}

tfoa_status tfoa_sign_conv_input_grad(const tfoa_context *context, const tfoa_layer *layer, const tfoa_conv_shape *shape,
                                      const float *grad_z, float *grad_x)
{
    const tfoa_view view = tfoa_view_of(context, layer);
    float alpha;
    tfoa_fill(shape->batch * shape->in_channels * shape->window.in_size[0] * shape->window.in_size[1], 0.0f, grad_x);
    tfoa_sign_walk walk = tfoa_walk_signs(&view, 0, shape->out_channels);
    while (tfoa_next_scaled_signs(&walk, &alpha)) {
        tfoa_add_signed_conv_input_grad(shape, &walk.part, walk.signs, alpha, grad_z, grad_x);
    }
    return walk.status;
}
