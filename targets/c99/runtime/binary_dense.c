/* z = alpha s (2 popcount(x & w) - popcount(x)) + b: the product of bits with signs; of levels twice that of the high bits beside
 * that of the low ones. */
#include "layer_view.h"
#include "products.h"

/* Ones that the bits of x from `start` on have in common with w. */
static int32_t dot_from(const uint32_t *x, int32_t x_words, int32_t start, const uint32_t *w, int32_t num_words)
{
    const int32_t shift = start % 32;
    const int32_t first = start / 32;
    if (shift == 0) {
        return tfoa_packed_dot(x + first, w, num_words);
    }
    int32_t ones = 0;
    for (int32_t i = 0; i < num_words; i++) {
        const uint32_t high = first + i + 1 < x_words ? x[first + i + 1] << (32 - shift) : 0u;
        const uint32_t word = (x[first + i] >> shift) | high;
        ones += tfoa_packed_dot(&word, w + i, 1);
    }
    return ones;
}

/* Ones that the planes of x have in common with a row of w, which is read once; those of the second plane count twice. */
static tfoa_status row_dot(const tfoa_view *view, int32_t out, const uint32_t *x, int32_t planes, int32_t *ones)
{
    const tfoa_layer *layer = view->layer;
    const int32_t x_words = TFOA_WORDS(layer->ins[layer->num_bands]);
    *ones = 0;
    for (int32_t band = 0; band < layer->num_bands; band++) {
        const uint32_t row_words = tfoa_row_words(layer, band);
        for (uint32_t done = 0; done < row_words;) {
            uint32_t chunk[TFOA_CHUNK];
            const uint32_t *words;
            const uint32_t count = tfoa_view_bits(view, band, out, done, chunk, &words);
            if (count == 0u) {
                return TFOA_ERROR_STORAGE;
            }
            for (int32_t plane = 0; plane < planes; plane++) {
                const uint32_t *bits = x + plane * x_words;
                const int32_t start = layer->ins[band] + 32 * (int32_t)done;
                *ones += dot_from(bits, x_words, start, words, (int32_t)count) * (1 << plane);
            }
            done += count;
        }
    }
    return TFOA_OK;
}

static int32_t count_of(const uint32_t *x, int32_t words, int32_t planes)
{
    const int32_t ones = tfoa_packed_count(x, words);
    return planes == 1 ? ones : ones + 2 * tfoa_packed_count(x + words, words);
}

static tfoa_status binary_product(const tfoa_context *context, const tfoa_layer *layer, const tfoa_operand *x, int32_t planes,
                                  int32_t rows, float *z)
{
    const tfoa_view view = tfoa_view_of(context, layer);
    const int32_t num_outs = layer->outs[layer->num_out_parts];
    const int32_t x_words = TFOA_WORDS(layer->ins[layer->num_bands]);
    for (int32_t first = 0; first < num_outs; first += TFOA_CHUNK) {
        const int32_t count = num_outs - first < TFOA_CHUNK ? num_outs - first : TFOA_CHUNK;
        float alphas[TFOA_CHUNK];
        float biases[TFOA_CHUNK];
        tfoa_status status = tfoa_view_scaling(&view, first, count, alphas, biases);
        for (int32_t row = 0; row < rows && status == TFOA_OK; row++) {
            const uint32_t *bits = x->bits + row * planes * x_words;
            const int32_t x_ones = count_of(bits, x_words, planes);
            for (int32_t i = 0; i < count && status == TFOA_OK; i++) {
                int32_t ones;
                status = row_dot(&view, first + i, bits, planes, &ones);
                z[row * num_outs + first + i] = (float)(2 * ones - x_ones) * (alphas[i] * x->scale) + biases[i];
            }
        }
        if (status != TFOA_OK) {
            return status;
        }
    }
    return TFOA_OK;
}

tfoa_status tfoa_binary_dense(const tfoa_context *context, const tfoa_layer *layer, const uint32_t *x, float x_scale,
                              int32_t rows, float *z)
{
    const tfoa_operand bits = {x, NULL, layer->ins[layer->num_bands], x_scale, 0.0f, NULL, NULL};
    return binary_product(context, layer, &bits, 1, rows, z);
}

tfoa_status tfoa_level_dense(const tfoa_context *context, const tfoa_layer *layer, const uint32_t *x, float x_scale, int32_t rows,
                             float *z)
{
    const tfoa_operand levels = {x, NULL, layer->ins[layer->num_bands], x_scale, 0.0f, NULL, NULL};
    return binary_product(context, layer, &levels, 2, rows, z);
}
