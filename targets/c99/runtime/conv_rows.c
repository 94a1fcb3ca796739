/* Rows of signs, a part at a time, and sums that are scaled where they lie. */
#include "conv_rows.h"

#include <string.h>

tfoa_status tfoa_sign_row_sums(const tfoa_view *view, const tfoa_conv_input *x, int32_t out, int32_t *sums)
{
    memset(sums, 0, sizeof *sums * (size_t)view->layer->positions);
    tfoa_sign_walk walk = tfoa_walk_signs(view, out, out + 1);
    while (tfoa_next_signs(&walk)) {
        if (x->bits == NULL) {
            tfoa_add_signed_conv(x->shape, &walk.part, walk.signs, x->q, sums);
        } else {
            tfoa_add_bit_conv(x->shape, &walk.part, walk.signs, x->bits, sums);
            for (int32_t i = 0; i < 2 * (x->planes - 1); i++) { /* the high bits count twice */
                tfoa_add_bit_conv(x->shape, &walk.part, walk.signs, x->bits + tfoa_plane_words(x->shape), sums);
            }
        }
    }
    return walk.status;
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
