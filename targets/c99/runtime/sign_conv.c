/* z = alpha (x * sign(W)) + b, a convolution of real numbers with signs, of 16-bit integers and so exact on every platform. */
#include <string.h>

#include "../kernels/conv_products.h"
#include "layer_view.h"
#include "products.h"

/* Sums of one output of one sample, over all of its row. */
static tfoa_status signed_plane_sums(const tfoa_view *view, const tfoa_conv_shape *shape, int32_t out, const int16_t *q, int32_t *sums)
{
    const tfoa_layer *layer = view->layer;
    memset(sums, 0, sizeof *sums * (size_t)layer->positions);
    for (int32_t band = 0; band < layer->num_bands; band++) {
        const int32_t row = (layer->ins[band + 1] - layer->ins[band]) * layer->taps;
        for (int32_t done = 0; done < row;) {
            uint32_t chunk[TFOA_CHUNK];
            const uint32_t *words;
            const int32_t num_bits = 32 * (int32_t)tfoa_view_bits(view, band, out, (uint32_t)done / 32u, chunk, &words);
            if (num_bits == 0) {
                return TFOA_ERROR_STORAGE;
            }
            const tfoa_row_part part = {out, layer->ins[band], done, row - done < num_bits ? row - done : num_bits};
            tfoa_add_signed_conv(shape, &part, words, q, sums);
            done += part.count;
        }
    }
    return TFOA_OK;
}

/* z of outputs [first, first + count) of one sample from their sums, which lie where z does; count <= TFOA_CHUNK. */
static tfoa_status scale_signed_planes(const tfoa_view *view, int32_t first, int32_t count, float step, float *z)
{
    const int32_t positions = view->layer->positions;
    float alphas[TFOA_CHUNK];
    float biases[TFOA_CHUNK];
    const tfoa_status status = tfoa_view_scaling(view, first, count, alphas, biases);
    for (int32_t i = 0; i < count * positions && status == TFOA_OK; i++) {
        int32_t sum;
        memcpy(&sum, &z[i], sizeof sum);
        z[i] = (float)sum * step * alphas[i / positions] + biases[i / positions];
    }
    return status;
}

tfoa_status tfoa_sign_conv(const tfoa_context *context, const tfoa_layer *layer, const tfoa_conv_shape *shape, const float *x,
                           int16_t *scratch, float *z)
{
    const tfoa_view view = tfoa_view_of(context, layer);
    const int32_t num_outs = shape->out_channels;
    const int32_t size = shape->in_channels * shape->window.in_size[0] * shape->window.in_size[1];
    tfoa_status status = TFOA_OK;
    for (int32_t sample = 0; sample < shape->batch; sample++) {
        const float step = tfoa_quantize(x + sample * size, size, scratch);
        for (int32_t first = 0; first < num_outs && status == TFOA_OK; first += TFOA_CHUNK) {
            const int32_t count = num_outs - first < TFOA_CHUNK ? num_outs - first : TFOA_CHUNK;
            float *planes = z + (sample * num_outs + first) * layer->positions;
            for (int32_t i = 0; i < count && status == TFOA_OK; i++) {
                /* Sums are of 32 bits like what they become, and are kept in its place. */
                int32_t *sums = (int32_t *)(void *)(planes + i * layer->positions);
                status = signed_plane_sums(&view, shape, first + i, scratch, sums);
            }
            if (status == TFOA_OK) {
                status = scale_signed_planes(&view, first, count, step, planes);
            }
        }
    }
    return status;
}
