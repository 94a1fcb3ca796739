/* z = alpha (x . sign(W)) + b: the product of real numbers with signs, of 16-bit integers and so exact on every platform. */
#include "layer_view.h"
#include "products.h"

/* A sample in the scratch: what one unit of q is worth, then q. */
typedef struct quantized {
    float step;
    int16_t q[2]; /* as many as there are inputs, and one more where they are odd */
} quantized;

static size_t sample_nbytes(int32_t num_ins)
{
    return 4u + 4u * (((size_t)num_ins + 1u) / 2u);
}

static tfoa_status row_sum(const tfoa_view *view, int32_t out, const int16_t *q, int32_t *sum)
{
    const tfoa_layer *layer = view->layer;
    *sum = 0;
    for (int32_t band = 0; band < layer->num_bands; band++) {
        const int32_t ins = layer->ins[band + 1] - layer->ins[band];
        for (int32_t done = 0; done < ins;) {
            uint32_t chunk[TFOA_CHUNK];
            const uint32_t *words;
            const uint32_t count = tfoa_view_bits(view, band, out, (uint32_t)done / 32u, chunk, &words);
            if (count == 0u) {
                return TFOA_ERROR_STORAGE;
            }
            const int32_t taken = ins - done < 32 * (int32_t)count ? ins - done : 32 * (int32_t)count;
            *sum += tfoa_signed_sum(q + layer->ins[band] + done, words, taken);
            done += taken;
        }
    }
    return TFOA_OK;
}

tfoa_status tfoa_sign_dense(const tfoa_context *context, const tfoa_layer *layer, const float *x, int32_t rows, void *scratch, float *z)
{
    const tfoa_view view = tfoa_view_of(context, layer);
    const int32_t num_outs = layer->outs[layer->num_out_parts];
    const int32_t num_ins = layer->ins[layer->num_bands];
    uint8_t *samples = (uint8_t *)scratch;
    for (int32_t row = 0; row < rows; row++) {
        quantized *sample = (quantized *)(void *)(samples + (size_t)row * sample_nbytes(num_ins));
        sample->step = tfoa_quantize(x + row * num_ins, num_ins, sample->q);
    }
    for (int32_t first = 0; first < num_outs; first += TFOA_CHUNK) {
        const int32_t count = num_outs - first < TFOA_CHUNK ? num_outs - first : TFOA_CHUNK;
        float alphas[TFOA_CHUNK];
        float biases[TFOA_CHUNK];
        tfoa_status status = tfoa_view_scaling(&view, first, count, alphas, biases);
        for (int32_t row = 0; row < rows && status == TFOA_OK; row++) {
            const quantized *sample = (const quantized *)(const void *)(samples + (size_t)row * sample_nbytes(num_ins));
            for (int32_t i = 0; i < count && status == TFOA_OK; i++) {
                int32_t sum;
                status = row_sum(&view, first + i, sample->q, &sum);
                z[row * num_outs + first + i] = (float)sum * sample->step * alphas[i] + biases[i];
            }
        }
        if (status != TFOA_OK) {
            return status;
        }
    }
    return TFOA_OK;
}
