/* A convolution with the latent values, pooled as it is computed: one output at a time, which is whole in `plane` alone. */
#include "../kernels/backward.h"
#include "layer_walk.h"
#include "products.h"

/* plane (batch, positions) = x * W + b of one output, from where the walk is on. Where rows are cut into bands, all are walked
 * through for each output; else the walk stops behind the output's row. */
static tfoa_status add_pooled_output(tfoa_weight_walk *walk, int *is_there, int32_t output, const tfoa_conv_shape *shape,
                                     const float *x, float *plane)
{
    const tfoa_view *view = walk->view;
    const int32_t count = shape->batch * view->layer->positions;
    const int is_cut = view->layer->num_bands > 1;
    tfoa_conv_shape alone = *shape;
    alone.out_channels = 1;
    tfoa_fill(count, 0.0f, plane);
    if (is_cut) {
        *walk = tfoa_walk_weights(view);
        *is_there = tfoa_next_weights(walk);
    }
    for (; *is_there && (is_cut || walk->part.output == output); *is_there = tfoa_next_weights(walk)) {
        if (walk->part.output == output) {
            tfoa_row_part part = walk->part;
            part.output = 0;
            tfoa_add_conv_products(&alone, &part, walk->weights, x, plane);
        }
    }
    float bias;
    const tfoa_status status = walk->status == TFOA_OK ? tfoa_view_biases(view, output, 1, &bias) : walk->status;
    for (int32_t i = 0; i < count && status == TFOA_OK; i++) {
        plane[i] += bias;
    }
    return status;
}

tfoa_status tfoa_real_conv_max_pool(const tfoa_context *context, const tfoa_layer *layer, const tfoa_conv_shape *shape,
                                    const tfoa_window *pool, const float *x, float *plane, float *y, uint16_t *places)
{
    const tfoa_view view = tfoa_view_of(context, layer);
    const int32_t positions = pool->out_size[0] * pool->out_size[1];
    tfoa_weight_walk walk = tfoa_walk_weights(&view);
    int is_there = tfoa_next_weights(&walk);
    for (int32_t output = 0; output < shape->out_channels; output++) {
        const tfoa_status status = add_pooled_output(&walk, &is_there, output, shape, x, plane);
        if (status != TFOA_OK) {
            return status;
        }
        for (int32_t sample = 0; sample < shape->batch; sample++) {
            const float *from = plane + sample * layer->positions;
            const int32_t to = (sample * shape->out_channels + output) * positions;
            tfoa_max_pool(pool, 1, from, y + to);
            if (places != NULL) {
                tfoa_max_places(pool, 1, from, places + to);
            }
        }
    }
    return walk.status;
}

tfoa_status tfoa_pooled_conv_input_grad(const tfoa_context *context, const tfoa_layer *layer, const tfoa_pooled_conv *shape,
                                        const float *grad_y, float *grad_x)
{
    const tfoa_view view = tfoa_view_of(context, layer);
    const int32_t *size = shape->conv.window.in_size;
    tfoa_fill(shape->conv.batch * shape->conv.in_channels * size[0] * size[1], 0.0f, grad_x);
    tfoa_weight_walk walk = tfoa_walk_weights(&view);
    while (tfoa_next_weights(&walk)) {
        tfoa_add_pooled_conv_input_grad(shape, &walk.part, walk.weights, grad_y, grad_x);
    }
    return walk.status;
}
