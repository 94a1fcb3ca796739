/* The error that a head or a layer of signs sends back, 32 inputs at a time: their signs at some outputs are read once for all
 * samples. */
#include "columns.h"
#include "lanes.h"

enum { INPUTS = 32, OUTPUTS = 16 };

/* Bits of inputs [in, in + 32) at one output, those of the slice among them. */
static uint32_t signs_at(const tfoa_back_product *product, int32_t out, int32_t in)
{
    const uint32_t bits = tfoa_bits_from(product->signs + (int64_t)out * product->words, product->words, in);
    const int32_t row = out - product->slice_first_out, before = product->slice_first_in - in;
    if (product->slice == NULL || row < 0 || row >= product->slice_outs || before >= INPUTS) {
        return bits;
    }
    const uint32_t *slice = product->slice + (int64_t)row * product->slice_words;
    return bits | (before > 0 ? slice[0] << before : tfoa_bits_from(slice, product->slice_words, -before));
}

static void read_signs(const tfoa_back_product *product, int32_t first_out, int32_t outs, int32_t in, float (*signs)[INPUTS])
{
    for (int32_t out = 0; out < outs; out++) {
        const uint32_t bits = signs_at(product, first_out + out, in);
        for (int32_t k = 0; k < INPUTS; k += TFOA_LANES) {
            tfoa_store8(signs[out] + k, tfoa_select(tfoa_mask_of_bits(bits, k), tfoa_splat(1.0f), tfoa_splat(-1.0f)));
        }
    }
}

void tfoa_send_back_errors(const tfoa_back_product *product, int32_t first)
{
    const int32_t left = product->ins - first, count = left < INPUTS ? left : INPUTS;
    for (int32_t first_out = 0; first_out < product->outs; first_out += OUTPUTS) {
        const int32_t outs = product->outs - first_out < OUTPUTS ? product->outs - first_out : OUTPUTS;
        float signs[OUTPUTS][INPUTS];
        read_signs(product, first_out, outs, product->first_in + first, signs);
        for (int32_t row = 0; row < product->rows; row++) {
            const float *errors = product->errors + (int64_t)row * product->outs + first_out;
            float *to = product->grad_x + (int64_t)row * product->ins + first;
            float sums[INPUTS] = {0.0f};
            if (first_out > 0) {
                memcpy(sums, to, sizeof(float) * (size_t)count);
            }
            for (int32_t k = 0; k < INPUTS; k += TFOA_LANES) {
                tfoa_f8 sum = tfoa_splat(0.0f);
                for (int32_t out = 0; out < outs; out++) {
                    sum += tfoa_splat(errors[out]) * tfoa_load8(signs[out] + k);
                }
                tfoa_store8(sums + k, tfoa_load8(sums + k) + sum * tfoa_splat(product->gain));
            }
            memcpy(to, sums, sizeof(float) * (size_t)count);
        }
    }
}
