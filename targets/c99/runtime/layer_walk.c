#include "layer_walk.h"

tfoa_weight_walk tfoa_walk_weights(const tfoa_view *view)
{
    /* Behind the last row of a slice before the first one. */
    const tfoa_weight_walk walk = {view, UINT32_MAX, {{0, 0, 0, 0, 0}, 0, 0u}, -1, {0, 0, 0, 0}, NULL, {0u}, TFOA_OK};
    return walk;
}

int tfoa_next_weights(tfoa_weight_walk *walk)
{
    const tfoa_layer *layer = walk->view->layer;
    walk->part.first += walk->part.count;
    if (walk->part.first == walk->latent.part.row) {
        walk->part.first = 0;
        walk->row++;
    }
    if (walk->row == walk->latent.part.outs) {
        walk->row = 0;
        walk->slice++;
        if (walk->slice == (uint32_t)(layer->num_bands * layer->num_out_parts)) {
            return 0;
        }
        walk->status = tfoa_view_slice(walk->view, walk->slice, &walk->latent);
        if (walk->status != TFOA_OK) {
            return 0;
        }
    }
    walk->part.output = walk->latent.part.first_out + walk->row;
    walk->part.channel = walk->latent.part.first_in;
    walk->part.count =
        (int32_t)tfoa_view_weights(walk->view, &walk->latent, walk->row, (uint32_t)walk->part.first, walk->chunk, &walk->weights);
    walk->status = walk->part.count > 0 ? TFOA_OK : TFOA_ERROR_STORAGE;
    return walk->part.count > 0;
}

tfoa_sign_walk tfoa_walk_signs(const tfoa_view *view, int32_t first, int32_t end)
{
    const tfoa_sign_walk walk = {view, end, 0, {first, 0, 0, 0}, NULL, {0.0f}, {0u}, TFOA_OK};
    return walk;
}

int tfoa_next_signs(tfoa_sign_walk *walk)
{
    const tfoa_layer *layer = walk->view->layer;
    tfoa_row_part *part = &walk->part;
    part->first += part->count;
    if (part->first == (layer->ins[walk->band + 1] - layer->ins[walk->band]) * layer->taps) {
        part->first = 0;
        walk->band++;
    }
    if (walk->band == layer->num_bands) {
        walk->band = 0;
        part->output++;
    }
    if (part->output == walk->end) {
        return 0;
    }
    part->channel = layer->ins[walk->band];
    const int32_t left = (layer->ins[walk->band + 1] - layer->ins[walk->band]) * layer->taps - part->first;
    const int32_t num_bits = 32 * (int32_t)tfoa_view_bits(walk->view, walk->band, part->output, (uint32_t)part->first / 32u,
                                                          walk->chunk, &walk->signs);
    part->count = left < num_bits ? left : num_bits;
    walk->status = num_bits > 0 ? TFOA_OK : TFOA_ERROR_STORAGE;
    return num_bits > 0;
}

int tfoa_next_scaled_signs(tfoa_sign_walk *walk, float *alpha)
{
    if (!tfoa_next_signs(walk)) {
        return 0;
    }
    const int32_t output = walk->part.output;
    if (walk->band == 0 && walk->part.first == 0 && output % TFOA_CHUNK == 0) {
        const int32_t count = walk->end - output < TFOA_CHUNK ? walk->end - output : TFOA_CHUNK;
        walk->status = tfoa_view_alphas(walk->view, output, count, walk->alphas);
    }
    *alpha = walk->alphas[output % TFOA_CHUNK];
    return walk->status == TFOA_OK;
}
