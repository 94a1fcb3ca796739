/* z = x W^T + b with the latent values themselves; x is real, bits or levels. And the gradient of x. */
#include <string.h>

#include "layer_walk.h"
#include "products.h"

/* Add w . x to a sum, for inputs [first, first + count). */
typedef float add_row(float sum, const tfoa_operand *x, int32_t row, int32_t first, const void *weights, int32_t count);

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

static float add_levels(float sum, const tfoa_operand *x, int32_t row, int32_t first, const void *weights, int32_t count)
{
    const uint32_t *levels = x->bits + row * 2 * TFOA_WORDS(x->units);
    for (int32_t i = 0; i < count; i++) {
        float w;
        memcpy(&w, (const uint8_t *)weights + 4 * i, 4);
        sum += (float)tfoa_level_at(levels, x->units, first + i) * w;
    }
    return sum;
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

static tfoa_status real_product(const tfoa_context *context, const tfoa_layer *layer, const tfoa_operand *x, int32_t rows,
                                float *z, add_row *add)
{
    const tfoa_view view = tfoa_view_of(context, layer);
    const int32_t num_outs = layer->outs[layer->num_out_parts];
    tfoa_fill(rows * num_outs, 0.0f, z);
    tfoa_weight_walk walk = tfoa_walk_weights(&view);
    while (tfoa_next_weights(&walk)) {
        const tfoa_row_part *part = &walk.part;
        for (int32_t row = 0; row < rows; row++) {
            float *sum = &z[row * num_outs + part->output];
            *sum = add(*sum, x, row, part->channel + part->first, walk.weights, part->count);
        }
    }
    return walk.status == TFOA_OK ? add_biases(&view, x->bits == NULL ? 1.0f : x->scale, rows, z) : walk.status;
}

tfoa_status tfoa_real_dense(const tfoa_context *context, const tfoa_layer *layer, const tfoa_operand *x, int32_t rows, float *z)
{
    return real_product(context, layer, x, rows, z, add_products);
}

tfoa_status tfoa_real_dense_of_levels(const tfoa_context *context, const tfoa_layer *layer, const tfoa_operand *x, int32_t rows,
                                      float *z)
{
    return real_product(context, layer, x, rows, z, add_levels);
}

/* sums += error * weights. */
static void add_weighted_errors(const tfoa_row_part *part, const void *weights, float error, float *sums)
{
    for (int32_t i = 0; i < part->count; i++) {
        float w;
        memcpy(&w, (const uint8_t *)weights + 4 * i, 4);
        sums[i] += error * w;
    }
}

tfoa_status tfoa_real_dense_input_grad(const tfoa_context *context, const tfoa_layer *layer, int32_t rows, const float *grad_z,
                                       float *grad_x)
{
    const tfoa_view view = tfoa_view_of(context, layer);
    const int32_t num_outs = layer->outs[layer->num_out_parts];
    const int32_t num_ins = layer->ins[layer->num_bands];
    tfoa_fill(rows * num_ins, 0.0f, grad_x);
    tfoa_weight_walk walk = tfoa_walk_weights(&view);
    while (tfoa_next_weights(&walk)) {
        const tfoa_row_part *part = &walk.part;
        for (int32_t row = 0; row < rows; row++) {
            const float error = grad_z[row * num_outs + part->output];
            if (error != 0.0f) { /* behind a unit that is off it is 0 */
                add_weighted_errors(part, walk.weights, error, grad_x + row * num_ins + part->channel + part->first);
            }
        }
    }
    return walk.status;
}
