/* The error that a head or a layer of signs sends back, 32 inputs at a time: their signs at some outputs are read once for all
 * samples. A sign turns that of a number, so nothing is multiplied. */
#include "columns.h"
#include "lanes.h"

enum { INPUTS = 32, OUTPUTS = 64, ROWS = 4 /* that share what is in registers */, PAIR = 2 * TFOA_LANES };

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

/* -0 where a sign is -1, else 0. */
static void read_flips(const tfoa_back_product *product, int32_t first_out, int32_t outs, int32_t in, float (*flips)[INPUTS])
{
    for (int32_t out = 0; out < outs; out++) {
        const uint32_t bits = signs_at(product, first_out + out, in);
        for (int32_t k = 0; k < INPUTS; k += TFOA_LANES) {
            tfoa_store8(flips[out] + k, tfoa_select(tfoa_mask_of_bits(bits, k), tfoa_splat(0.0f), tfoa_splat(-0.0f)));
        }
    }
}

static inline tfoa_f8 turned(tfoa_f8 number, tfoa_f8 flip)
{
    return (tfoa_f8)((tfoa_u8)number ^ (tfoa_u8)flip);
}

/* Add to grad_x of some rows, so many that the compiler knows it, what outputs [first_out, first_out + outs) send back. */
static inline __attribute__((always_inline)) void add_rows(const tfoa_back_product *product, int32_t row, const int32_t rows,
                                                           int32_t first, int32_t first_out, int32_t outs, float (*flips)[INPUTS])
{
    const int32_t left = product->ins - first, count = left < INPUTS ? left : INPUTS;
    const float *errors = product->errors + (int64_t)row * product->outs + first_out;
    float *to = product->grad_x + (int64_t)row * product->ins + first;
    float all[ROWS][INPUTS] = {{0.0f}};
    for (int32_t r = 0; first_out > 0 && r < rows; r++) {
        memcpy(all[r], to + (int64_t)r * product->ins, sizeof(float) * (size_t)count);
    }
    for (int32_t k = 0; k < INPUTS; k += PAIR) {
        tfoa_f8 sums[ROWS][2] = {{{0.0f}}};
        for (int32_t out = 0; out < outs; out++) {
            const tfoa_f8 low = tfoa_load8(flips[out] + k), high = tfoa_load8(flips[out] + k + TFOA_LANES);
            for (int32_t r = 0; r < rows; r++) {
                const tfoa_f8 error = tfoa_splat(errors[(int64_t)r * product->outs + out]);
                sums[r][0] += turned(error, low);
                sums[r][1] += turned(error, high);
            }
        }
        for (int32_t r = 0; r < rows; r++) {
            for (int32_t half = 0; half < 2; half++) {
                float *at = all[r] + k + half * TFOA_LANES;
                tfoa_store8(at, tfoa_load8(at) + sums[r][half] * tfoa_splat(product->gain));
            }
        }
    }
    for (int32_t r = 0; r < rows; r++) {
        memcpy(to + (int64_t)r * product->ins, all[r], sizeof(float) * (size_t)count);
    }
}

void tfoa_send_back_errors(const tfoa_back_product *product, int32_t first)
{
    for (int32_t first_out = 0; first_out < product->outs; first_out += OUTPUTS) {
        const int32_t outs = product->outs - first_out < OUTPUTS ? product->outs - first_out : OUTPUTS;
        float flips[OUTPUTS][INPUTS];
        int32_t row = 0;
        read_flips(product, first_out, outs, product->first_in + first, flips);
        for (; row + ROWS <= product->rows; row += ROWS) {
            add_rows(product, row, ROWS, first, first_out, outs, flips);
        }
        for (; row < product->rows; row++) {
            add_rows(product, row, 1, first, first_out, outs, flips);
        }
    }
}
