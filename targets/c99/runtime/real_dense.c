/* z = x W^T + b with the latent values themselves; x is real, or bits. */
#include <string.h>

#include "header.h"
#include "layer_view.h"
#include "products.h"

/* Add w . x to a sum, for inputs [first, first + count). */
static float add_products(float sum, const tfoa_operand *x, int32_t row, int32_t first, const void *weights, int32_t count)
{
    const uint32_t *bits = x->bits == NULL ? NULL : x->bits + row * TFOA_WORDS(x->units);
    for (int32_t i = 0; i < count; i++) {
        const int32_t in = first + i;
        float w;
        memcpy(&w, (const uint8_t *)weights + 4 * i, 4); /* the storage holds words */
        if (bits == NULL) {
            sum += x->real[row * x->units + in] * w;
        } else if ((bits[in / 32] >> (in % 32)) & 1u) {
            sum += w;
        }
    }
    return sum;
}

/* One row of one slice, of which `weights` says where it lies in RAM (NULL: read at `offset`), for all samples. */
typedef struct row_piece {
    int32_t out;
    int32_t first_in;
    int32_t ins;
    const float *weights;
    uint32_t offset;
} row_piece;

static tfoa_status add_row(const tfoa_view *view, const row_piece *piece, const tfoa_operand *x, int32_t rows, float *z)
{
    const int32_t num_outs = view->layer->outs[view->layer->num_out_parts];
    for (uint32_t done = 0; done < (uint32_t)piece->ins;) {
        uint32_t chunk[TFOA_CHUNK];
        const uint32_t *words = NULL;
        uint32_t count = (uint32_t)piece->ins;
        const void *weights = piece->weights;
        if (piece->weights == NULL) {
            count = tfoa_peek(&view->context->storage, piece->offset + 4u * done, (uint32_t)piece->ins - done, chunk, &words);
            weights = words;
        }
        if (count == 0u) {
            return TFOA_ERROR_STORAGE;
        }
        for (int32_t row = 0; row < rows; row++) {
            float *sum = &z[row * num_outs + piece->out];
            *sum = add_products(*sum, x, row, piece->first_in + (int32_t)done, weights, (int32_t)count);
        }
        done += count;
    }
    return TFOA_OK;
}

static tfoa_status add_slice(const tfoa_view *view, uint32_t slice, const tfoa_operand *x, int32_t rows, float *z)
{
    const tfoa_layer *layer = view->layer;
    const tfoa_part part = tfoa_part_of(layer, slice);
    uint32_t slot;
    tfoa_status status = tfoa_header_word(view->context, layer->kept.map + slice, &slot);
    for (int32_t i = 0; i < part.outs && status == TFOA_OK; i++) {
        const uint32_t first = (uint32_t)(i * part.ins);
        row_piece piece = {part.first_out + i, part.first_in, part.ins, NULL, 0u};
        if (tfoa_is_resident(view, part.band, piece.out)) {
            piece.weights = (const float *)(const void *)(view->context->arena + layer->resident.latent) + first;
        } else {
            piece.offset = layer->kept.slots + slot * layer->kept.slot_nbytes + 4u * first;
        }
        status = add_row(view, &piece, x, rows, z);
    }
    return status;
}

static tfoa_status add_biases(const tfoa_view *view, float x_scale, int32_t rows, float *z)
{
    const int32_t num_outs = view->layer->outs[view->layer->num_out_parts];
    for (int32_t first = 0; first < num_outs; first += TFOA_CHUNK) {
        const int32_t count = num_outs - first < TFOA_CHUNK ? num_outs - first : TFOA_CHUNK;
        float biases[TFOA_CHUNK];
        const tfoa_status status = tfoa_view_biases(view, first, count, biases);
        if (status != TFOA_OK) {
            return status;
        }
        for (int32_t row = 0; row < rows; row++) {
            for (int32_t i = 0; i < count; i++) {
                float *sum = &z[row * num_outs + first + i];
                *sum = *sum * x_scale + biases[i];
            }
        }
    }
    return TFOA_OK;
}

tfoa_status tfoa_real_dense(const tfoa_context *context, const tfoa_layer *layer, const tfoa_operand *x, int32_t rows, float *z)
{
    const tfoa_view view = tfoa_view_of(context, layer);
    const uint32_t num_slices = (uint32_t)(layer->num_bands * layer->num_out_parts);
    const int32_t size = rows * layer->outs[layer->num_out_parts];
    for (int32_t i = 0; i < size; i++) {
        z[i] = 0.0f;
    }
    /* Slices are counted along the inputs first: each output's sum runs over its inputs in order. */
    for (uint32_t slice = 0; slice < num_slices; slice++) {
        const tfoa_status status = add_slice(&view, slice, x, rows, z);
        if (status != TFOA_OK) {
            return status;
        }
    }
    return add_biases(&view, x->bits == NULL ? 1.0f : x->scale, rows, z);
}
