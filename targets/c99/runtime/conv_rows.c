/* Rows of signs, a part at a time, and sums that are scaled where they lie. */
#include "conv_rows.h"

#include <string.h>

tfoa_status tfoa_sign_row_sums(const tfoa_view *view, const tfoa_conv_input *x, int32_t out, int32_t *sums)
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
            if (x->bits == NULL) {
                tfoa_add_signed_conv(x->shape, &part, words, x->q, sums);
            } else {
                tfoa_add_bit_conv(x->shape, &part, words, x->bits, sums);
            }
            done += part.count;
        }
    }
    return TFOA_OK;
}

tfoa_status tfoa_scale_conv_sums(const tfoa_view *view, float step, float scale, float *z)
{
    const int32_t num_outs = view->layer->outs[view->layer->num_out_parts];
    for (int32_t first = 0; first < num_outs; first += TFOA_CHUNK) {
        const int32_t count = num_outs - first < TFOA_CHUNK ? num_outs - first : TFOA_CHUNK;
        float alphas[TFOA_CHUNK];
        float biases[TFOA_CHUNK];
        const tfoa_status status = tfoa_view_scaling(view, first, count, alphas, biases);
        if (status != TFOA_OK) {
            return status;
        }
        for (int32_t i = 0; i < count; i++) {
            const float gain = alphas[i] * scale;
            for (int32_t position = 0; position < view->layer->positions; position++, z++) {
                int32_t sum;
                memcpy(&sum, z, sizeof sum);
                *z = (float)sum * step * gain + biases[i];
            }
        }
    }
    return TFOA_OK;
}
