/* z = x * W + b, a convolution with the latent values themselves, and the gradient of x. */
#include "layer_walk.h"
#include "products.h"

static tfoa_status add_channel_biases(const tfoa_view *view, int32_t batch, float *z)
{
    const int32_t num_outs = view->layer->outs[view->layer->num_out_parts];
    const int32_t positions = view->layer->positions;
    for (int32_t first = 0; first < num_outs; first += TFOA_CHUNK) {
        const int32_t count = num_outs - first < TFOA_CHUNK ? num_outs - first : TFOA_CHUNK;
        float biases[TFOA_CHUNK];
        const tfoa_status status = tfoa_view_biases(view, first, count, biases);
        if (status != TFOA_OK) {
            return status;
        }
        for (int32_t sample = 0; sample < batch; sample++) {
            float *plane = z + (sample * num_outs + first) * positions;
            for (int32_t i = 0; i < count * positions; i++) {
                plane[i] += biases[i / positions];
            }
        }
    }
    return TFOA_OK;
}

tfoa_status tfoa_real_conv(const tfoa_context *context, const tfoa_layer *layer, const tfoa_conv_shape *shape, const float *x,
                           float *z)
{
    const tfoa_view view = tfoa_view_of(context, layer);
    tfoa_fill(shape->batch * shape->out_channels * layer->positions, 0.0f, z);
    tfoa_weight_walk walk = tfoa_walk_weights(&view);
    while (tfoa_next_weights(&walk)) {
        tfoa_add_conv_products(shape, &walk.part, walk.weights, x, z);
    }
    return walk.status == TFOA_OK ? add_channel_biases(&view, shape->batch, z) : walk.status;
}

tfoa_status tfoa_real_conv_input_grad(const tfoa_context *context, const tfoa_layer *layer, const tfoa_conv_shape *shape,
                                      const float *grad_z, float *grad_x)
{
    const tfoa_view view = tfoa_view_of(context, layer);
    tfoa_fill(shape->batch * shape->in_channels * shape->window.in_size[0] * shape->window.in_size[1], 0.0f, grad_x);
    tfoa_weight_walk walk = tfoa_walk_weights(&view);
    while (tfoa_next_weights(&walk)) {
        tfoa_add_conv_input_grad(shape, &walk.part, walk.weights, grad_z, grad_x);
    }
    return walk.status;
}
