/* Rows of bits times real weights. Four inputs' weights have 16 sums, which all rows look up; few rows add up what they need. */
#include "columns.h"
#include "lanes.h"

enum { FEW_ROWS = 6 /* a table of 16 sums pays from here on */ };

static void add_inputs(const tfoa_bits_product *product, int32_t first, int32_t count)
{
    for (int32_t row = 0; row < product->rows; row++) {
        const uint32_t *bits = product->x + (int64_t)row * product->x_words;
        float *z = product->z + (int64_t)row * product->z_stride + first;
        for (int32_t in = 0; in < product->ins; in++) {
            const int32_t bit = product->first_in + in;
            if ((bits[bit / 32] >> (bit % 32)) & 1u) {
                const float *w = product->w + (int64_t)in * product->outs + first;
                for (int32_t out = 0; out < count; out++) {
                    z[out] += w[out];
                }
            }
        }
    }
}

static void fill_table(const tfoa_bits_product *product, int32_t in, int32_t first, int32_t count, float (*table)[TFOA_BLOCK])
{
    memset(table[0], 0, sizeof table[0]);
    for (int32_t k = 0; k < TFOA_GROUP; k++) {
        float weights[TFOA_BLOCK] = {0.0f};
        if (in + k < product->ins) {
            memcpy(weights, product->w + (int64_t)(in + k) * product->outs + first, sizeof(float) * (size_t)count);
        }
        for (int32_t subset = 0; subset < 1 << k; subset++) {
            for (int32_t out = 0; out < TFOA_BLOCK; out++) {
                table[(1 << k) + subset][out] = table[subset][out] + weights[out];
            }
        }
    }
}

static void add_group(const tfoa_bits_product *product, int32_t in, int32_t first, int32_t count, float (*table)[TFOA_BLOCK])
{
    const int32_t bit = product->first_in + in;
    for (int32_t row = 0; row < product->rows; row++) {
        const uint32_t *bits = product->x + (int64_t)row * product->x_words;
        const float *sums = table[tfoa_bits_from(bits, product->x_words, bit) & 15u];
        float *z = product->z + (int64_t)row * product->z_stride + first;
        if (count == TFOA_BLOCK) {
            tfoa_store8(z, tfoa_load8(z) + tfoa_load8(sums));
            tfoa_store8(z + TFOA_LANES, tfoa_load8(z + TFOA_LANES) + tfoa_load8(sums + TFOA_LANES));
        } else {
            for (int32_t out = 0; out < count; out++) {
                z[out] += sums[out];
            }
        }
    }
}

void tfoa_multiply_bits(const tfoa_bits_product *product, int32_t first)
{
    const int32_t left = product->outs - first, count = left < TFOA_BLOCK ? left : TFOA_BLOCK;
    if (product->rows < FEW_ROWS) {
        add_inputs(product, first, count);
        return;
    }
    for (int32_t in = 0; in < product->ins; in += TFOA_GROUP) {
        float table[16][TFOA_BLOCK];
        fill_table(product, in, first, count, table);
        add_group(product, in, first, count, table);
    }
}
