/* z = x W^T + b with the latent values themselves; x is real, or bits. */
#include <string.h>

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

static tfoa_status add_row(const tfoa_view *view, const tfoa_latent *latent, int32_t row, const tfoa_operand *x, int32_t rows,
                           float *z)
{
    const int32_t num_outs = view->layer->outs[view->layer->num_out_parts];
    for (uint32_t done = 0; done < (uint32_t)latent->part.row;) {
        uint32_t chunk[TFOA_CHUNK];
        const void *weights;
        const uint32_t count = tfoa_view_weights(view, latent, row, done, chunk, &weights);
        if (count == 0u) {
            return TFOA_ERROR_STORAGE;
        }
        for (int32_t sample = 0; sample < rows; sample++) {
            float *sum = &z[sample * num_outs + latent->part.first_out + row];
            *sum = add_products(*sum, x, sample, latent->part.first_in + (int32_t)done, weights, (int32_t)count);
        }
        done += count;
    }
    return TFOA_OK;
}

static tfoa_status add_slice(const tfoa_view *view, uint32_t slice, const tfoa_operand *x, int32_t rows, float *z)
{
    tfoa_latent latent;
    tfoa_status status = tfoa_view_slice(view, slice, &latent);
    for (int32_t row = 0; row < latent.part.outs && status == TFOA_OK; row++) {
        status = add_row(view, &latent, row, x, rows, z);
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
