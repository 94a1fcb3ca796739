/* Rows of a layer, wherever they lie. */
#include "layer_view.h"

#include "../kernels/kernels.h"
#include "header.h"
#include "record.h"

tfoa_view tfoa_view_of(const tfoa_context *context, const tfoa_layer *layer)
{
    tfoa_view view = {context, layer, 0, {0, 0, 0, 0, 0}};
    if (tfoa_moves(context, layer)) {
        view.is_active = 1;
        view.part = tfoa_part_of(layer, tfoa_slice_in(context, (uint32_t)context->turn));
    }
    return view;
}

int tfoa_is_resident(const tfoa_view *view, int32_t band, int32_t out)
{
    const int32_t behind = out - view->part.first_out;
    return view->is_active && band == view->part.band && behind >= 0 && behind < view->part.outs;
}

/* Sum |w| of each output: over the bands in storage first, then the slice, as onnxruntime's function body adds them. */
static tfoa_status view_sums(const tfoa_view *view, int32_t first, int32_t count, float *totals)
{
    const tfoa_layer *layer = view->layer;
    const float *resident = (const float *)(const void *)(view->context->arena + layer->resident.sums);
    for (int32_t i = 0; i < count; i++) {
        totals[i] = 0.0f;
    }
    for (int32_t band = 0; band < layer->num_bands; band++) {
        float sums[TFOA_CHUNK];
        const int32_t place = band * layer->outs[layer->num_out_parts] + first;
        const tfoa_status status =
            tfoa_load(&view->context->storage, layer->kept.sums + 4u * (uint32_t)place, sums, (uint32_t)count);
        if (status != TFOA_OK) {
            return status;
        }
        for (int32_t i = 0; i < count; i++) {
            totals[i] += tfoa_is_resident(view, band, first + i) ? 0.0f : sums[i];
        }
    }
    for (int32_t i = 0; i < count; i++) {
        if (tfoa_is_resident(view, view->part.band, first + i)) {
            totals[i] += resident[first + i - view->part.first_out];
        }
    }
    return TFOA_OK;
}

static tfoa_status tensor_alpha(const tfoa_view *view, float *alpha)
{
    const int32_t num_outs = view->layer->outs[view->layer->num_out_parts];
    const float fan_in = (float)(view->layer->ins[view->layer->num_bands] * view->layer->taps);
    float total = 0.0f;
    for (int32_t first = 0; first < num_outs; first += TFOA_CHUNK) {
        float sums[TFOA_CHUNK];
        const int32_t count = num_outs - first < TFOA_CHUNK ? num_outs - first : TFOA_CHUNK;
        const tfoa_status status = view_sums(view, first, count, sums);
        if (status != TFOA_OK) {
            return status;
        }
        for (int32_t i = 0; i < count; i++) {
            total += sums[i] / fan_in;
        }
    }
    *alpha = total / (float)num_outs;
    return TFOA_OK;
}

tfoa_status tfoa_view_alphas(const tfoa_view *view, int32_t first, int32_t count, float *alphas)
{
    const float fan_in = (float)(view->layer->ins[view->layer->num_bands] * view->layer->taps);
    float whole = 0.0f;
    const tfoa_status status = view->layer->is_tensor_alpha ? tensor_alpha(view, &whole) : view_sums(view, first, count, alphas);
    for (int32_t i = 0; i < count && status == TFOA_OK; i++) {
        alphas[i] = view->layer->is_tensor_alpha ? whole : alphas[i] / fan_in;
    }
    return status;
}

tfoa_status tfoa_view_biases(const tfoa_view *view, int32_t first, int32_t count, float *biases)
{
    const tfoa_layer *layer = view->layer;
    for (int32_t i = 0; i < count; i++) {
        biases[i] = 0.0f;
    }
    if (layer->kept.bias == TFOA_NONE) {
        return TFOA_OK;
    }
    const uint32_t offset = layer->kept.bias + 4u * (uint32_t)first;
    const tfoa_status status = tfoa_load(&view->context->storage, offset, biases, (uint32_t)count);
    const float *resident = (const float *)(const void *)(view->context->arena + layer->resident.bias);
    for (int32_t i = 0; i < count; i++) {
        if (tfoa_is_resident(view, view->part.band, first + i)) {
            biases[i] = resident[first + i - view->part.first_out];
        }
    }
    return status;
}

tfoa_status tfoa_view_scaling(const tfoa_view *view, int32_t first, int32_t count, float *alphas, float *biases)
{
    const tfoa_status status = tfoa_view_alphas(view, first, count, alphas);
    return status == TFOA_OK ? tfoa_view_biases(view, first, count, biases) : status;
}

uint32_t tfoa_view_bits(const tfoa_view *view, int32_t band, int32_t out, uint32_t first, uint32_t *chunk, const uint32_t **words)
{
    const tfoa_layer *layer = view->layer;
    const uint32_t row_words = tfoa_row_words(layer, band);
    if (tfoa_is_resident(view, band, out)) {
        const uint32_t *bits = (const uint32_t *)(const void *)(view->context->arena + layer->resident.bits);
        *words = bits + row_words * (uint32_t)(out - view->part.first_out) + first;
        return row_words - first;
    }
    const uint32_t offset = tfoa_band_offset(layer, band) + 4u * (row_words * (uint32_t)out + first);
    return tfoa_peek(&view->context->storage, offset, row_words - first, chunk, words);
}

int32_t tfoa_view_run(const tfoa_view *view, int32_t band, int32_t out, int32_t end)
{
    const tfoa_part *part = &view->part;
    if (tfoa_is_resident(view, band, out)) {
        return (part->first_out + part->outs < end ? part->first_out + part->outs : end) - out;
    }
    if (view->is_active && band == part->band && out < part->first_out && part->first_out < end) {
        end = part->first_out;
    }
    const uint32_t row_words = tfoa_row_words(view->layer, band);
    const uint32_t offset = tfoa_band_offset(view->layer, band) + 4u * row_words * (uint32_t)out;
    const int32_t count = end - out;
    return tfoa_is_mapped(&view->context->storage, offset, row_words * (uint32_t)count) ? count : 1;
}

tfoa_status tfoa_view_slice(const tfoa_view *view, uint32_t slice, tfoa_latent *latent)
{
    const tfoa_layer *layer = view->layer;
    uint32_t slot;
    const tfoa_status status = tfoa_header_word(view->context, layer->kept.map + slice, &slot);
    latent->part = tfoa_part_of(layer, slice);
    latent->is_resident = tfoa_is_resident(view, latent->part.band, latent->part.first_out);
    latent->offset = layer->kept.slots + slot * layer->kept.slot_nbytes;
    return status;
}

/* Whole numbers become real in the chunk, a chunk of them at a time. */
static uint32_t read_integers(const tfoa_view *view, const tfoa_latent *latent, uint32_t begin, uint32_t count, uint32_t *chunk)
{
    const tfoa_integers *integers = view->layer->integers;
    const uint32_t place = begin % tfoa_group_size(integers->bits);
    const uint32_t word = begin / tfoa_group_size(integers->bits) * tfoa_group_words(integers->bits);
    const uint32_t most = (uint32_t)TFOA_CHUNK - place;
    uint32_t piece[TFOA_CHUNK / 2]; /* two of 16 bits lie in a word */
    const uint32_t *words = (const uint32_t *)(const void *)(view->context->arena + view->layer->resident.latent) + word;
    count = count < most ? count : most;
    if (!latent->is_resident) {
        const uint32_t num_words = tfoa_latent_words(view->layer, place + count);
        if (tfoa_peek(&view->context->storage, latent->offset + 4u * word, num_words, piece, &words) == 0u) {
            return 0u;
        }
    }
    integers->read(integers, words, place, count, (float *)(void *)chunk);
    return count;
}

uint32_t tfoa_view_weights(const tfoa_view *view, const tfoa_latent *latent, int32_t row, uint32_t first, uint32_t *chunk,
                           const void **weights)
{
    const uint32_t begin = (uint32_t)(row * latent->part.row) + first;
    const uint32_t count = (uint32_t)latent->part.row - first;
    if (view->layer->integers != NULL) {
        *weights = chunk;
        return read_integers(view, latent, begin, count, chunk);
    }
    if (latent->is_resident) {
        *weights = (const float *)(const void *)(view->context->arena + view->layer->resident.latent) + begin;
        return count;
    }
    const uint32_t *words = NULL;
    const uint32_t readable = tfoa_peek(&view->context->storage, latent->offset + 4u * begin, count, chunk, &words);
    *weights = words;
    return readable;
}
