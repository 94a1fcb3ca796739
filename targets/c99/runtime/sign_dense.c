/* z = alpha (x . sign(W)) + b: the product of real numbers with signs, of 16-bit integers and so exact on every platform. And the
 * gradient of x, in float32. */
#include "../kernels/packed.h"
#include "layer_walk.h"
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

/* Outputs that are summed together: a kernel that makes tables of q for all of them needs some dozen. */
#define GROUP 64

/* Sums of the inputs of a band, added to those of outputs [first, first + count), the rows of which lie one after the other. */
static void add_signed_rows(const tfoa_layer *layer, int32_t band, const int16_t *q, const uint32_t *words, int32_t count,
                            int32_t *sums)
{
    const int32_t ins = layer->ins[band + 1] - layer->ins[band];
    const tfoa_signed_shape shape = {1, count, ins, ins, TFOA_WORDS(ins)};
    int32_t partial[GROUP];
    tfoa_signed_matmul(&shape, q + layer->ins[band], words, partial);
    for (int32_t i = 0; i < count; i++) {
        sums[i] += partial[i];
    }
}

/* One row of a storage that is not mapped, piece by piece. */
static tfoa_status add_signed_row(const tfoa_view *view, int32_t band, int32_t out, const int16_t *q, int32_t *sum)
{
    const tfoa_layer *layer = view->layer;
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
    return TFOA_OK;
}

static tfoa_status group_sums(const tfoa_view *view, int32_t first, int32_t end, const int16_t *q, int32_t *sums)
{
    for (int32_t i = 0; i < end - first; i++) {
        sums[i] = 0;
    }
    for (int32_t band = 0; band < view->layer->num_bands; band++) {
        for (int32_t out = first; out < end;) {
            const int32_t count = tfoa_view_run(view, band, out, end);
            if (count == 1) {
                const tfoa_status status = add_signed_row(view, band, out, q, &sums[out - first]);
                if (status != TFOA_OK) {
                    return status;
                }
            } else {
                const uint32_t *words;
                (void)tfoa_view_bits(view, band, out, 0u, NULL, &words);
                add_signed_rows(view->layer, band, q, words, count, sums + out - first);
            }
            out += count;
        }
    }
    return TFOA_OK;
}

/* z of outputs [first, first + count), count <= TFOA_CHUNK. */
static tfoa_status scale_sums(const tfoa_view *view, int32_t first, int32_t count, float step, const int32_t *sums, float *z)
{
    float alphas[TFOA_CHUNK];
    float biases[TFOA_CHUNK];
    const tfoa_status status = tfoa_view_scaling(view, first, count, alphas, biases);
    for (int32_t i = 0; i < count && status == TFOA_OK; i++) {
        z[i] = (float)sums[i] * step * alphas[i] + biases[i];
    }
    return status;
}

/* z of outputs [first, end) of one sample, at most GROUP of them. */
static tfoa_status group_outputs(const tfoa_view *view, int32_t first, int32_t end, const quantized *sample, float *z)
{
    int32_t sums[GROUP];
    tfoa_status status = group_sums(view, first, end, sample->q, sums);
    for (int32_t out = first; out < end && status == TFOA_OK; out += TFOA_CHUNK) {
        const int32_t count = end - out < TFOA_CHUNK ? end - out : TFOA_CHUNK;
        status = scale_sums(view, out, count, sample->step, sums + out - first, z + out);
    }
    return status;
}

tfoa_status tfoa_sign_dense(const tfoa_context *context, const tfoa_layer *layer, const float *x, int32_t rows, void *scratch,
                            float *z)
{
    const tfoa_view view = tfoa_view_of(context, layer);
    const int32_t num_outs = layer->outs[layer->num_out_parts];
    const int32_t num_ins = layer->ins[layer->num_bands];
    uint8_t *samples = (uint8_t *)scratch;
    tfoa_status status = TFOA_OK;
    for (int32_t row = 0; row < rows; row++) {
        quantized *sample = (quantized *)(void *)(samples + (size_t)row * sample_nbytes(num_ins));
        sample->step = tfoa_quantize(x + row * num_ins, num_ins, sample->q);
        for (int32_t first = 0; first < num_outs && status == TFOA_OK; first += GROUP) {
            const int32_t end = num_outs - first < GROUP ? num_outs : first + GROUP;
            status = group_outputs(&view, first, end, sample, z + row * num_outs);
        }
    }
    return status;
}

/* sums += error where a sign is one, else -= error. */
static void add_signed_errors(const tfoa_row_part *part, const uint32_t *signs, float error, float *sums)
{
    const float errors[2] = {-error, error};
    for (int32_t i = 0; i < part->count; i++) {
        sums[i] += errors[(signs[i / 32] >> (i % 32)) & 1u];
    }
}

tfoa_status tfoa_sign_dense_input_grad(const tfoa_context *context, const tfoa_layer *layer, int32_t rows, const float *grad_z,
                                       float *grad_x)
{
    const tfoa_view view = tfoa_view_of(context, layer);
    const int32_t num_outs = layer->outs[layer->num_out_parts];
    const int32_t num_ins = layer->ins[layer->num_bands];
    float alpha;
    tfoa_fill(rows * num_ins, 0.0f, grad_x);
    tfoa_sign_walk walk = tfoa_walk_signs(&view, 0, num_outs);
    while (tfoa_next_scaled_signs(&walk, &alpha)) {
        const tfoa_row_part *part = &walk.part;
        for (int32_t row = 0; row < rows; row++) {
            const float error = alpha * grad_z[row * num_outs + part->output];
            if (error != 0.0f) { /* behind a unit that is off it is 0 */
                add_signed_errors(part, walk.signs, error, grad_x + row * num_ins + part->channel + part->first);
            }
        }
    }
    return walk.status;
}
