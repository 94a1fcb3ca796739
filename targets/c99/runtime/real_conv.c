/* z = x * W + b, a convolution with the latent values themselves. */
#include "../kernels/conv_products.h"
#include "layer_view.h"
#include "products.h"

static tfoa_status add_conv_row(const tfoa_view *view, const tfoa_latent *latent, int32_t row, const tfoa_conv_shape *shape,
                                const float *x, float *z)
{
    for (uint32_t done = 0; done < (uint32_t)latent->part.row;) {
        uint32_t chunk[TFOA_CHUNK];
        const void *weights;
        const uint32_t count = tfoa_view_weights(view, latent, row, done, chunk, &weights);
        if (count == 0u) {
            return TFOA_ERROR_STORAGE;
        }
        const tfoa_row_part part = {latent->part.first_out + row, latent->part.first_in, (int32_t)done, (int32_t)count};
        tfoa_add_conv_products(shape, &part, weights, x, z);
        done += count;
    }
    return TFOA_OK;
}

static tfoa_status add_conv_slice(const tfoa_view *view, uint32_t slice, const tfoa_conv_shape *shape, const float *x, float *z)
{
    tfoa_latent latent;
    tfoa_status status = tfoa_view_slice(view, slice, &latent);
    for (int32_t row = 0; row < latent.part.outs && status == TFOA_OK; row++) {
        status = add_conv_row(view, &latent, row, shape, x, z);
    }
    return status;
}

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
    const uint32_t num_slices = (uint32_t)(layer->num_bands * layer->num_out_parts);
    const int32_t size = shape->batch * shape->out_channels * layer->positions;
    for (int32_t i = 0; i < size; i++) {
        z[i] = 0.0f;
    }
    /* Slices are counted along the inputs first: each output's sum runs over its inputs in order. */
    for (uint32_t slice = 0; slice < num_slices; slice++) {
        const tfoa_status status = add_conv_slice(&view, slice, shape, x, z);
        if (status != TFOA_OK) {
            return status;
        }
    }
    return add_channel_biases(&view, shape->batch, z);
}
