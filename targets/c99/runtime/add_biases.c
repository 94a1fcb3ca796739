/* z += b, with biases that alone are trained of a layer: behind a product that is constant data. */
#include <float.h>
#include <string.h>

#include "layer_walk.h"
#include "products.h"

static void add_bias(const tfoa_layer *layer, int32_t output, const void *word, int32_t rows, float *z)
{
    const int32_t num_outs = layer->outs[layer->num_out_parts];
    float bias;
    memcpy(&bias, word, sizeof bias); /* the storage holds words */
    for (int32_t row = 0; row < rows; row++) {
        float *values = z + (row * num_outs + output) * layer->positions;
        for (int32_t position = 0; position < layer->positions; position++) {
            values[position] += bias;
        }
    }
}

tfoa_status tfoa_add_biases(const tfoa_context *context, const tfoa_layer *layer, int32_t rows, float *z)
{
    const tfoa_view view = tfoa_view_of(context, layer);
    tfoa_weight_walk walk = tfoa_walk_weights(&view);
    while (tfoa_next_weights(&walk)) {
        add_bias(layer, walk.part.output, walk.weights, rows, z);
    }
    return walk.status;
}

tfoa_slice tfoa_active_biases(const tfoa_context *context, const tfoa_layer *layer)
{
    tfoa_slice slice = tfoa_active_slice(context, layer, 1, FLT_MAX);
    slice.bias = slice.latent;
    return slice;
}
