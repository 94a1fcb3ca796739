/* Rows of bits times real weights. A word's 32 inputs are eight groups of four, whose weights have 16 sums each; every row looks up
 * its eight. Few rows add up what they need instead. */
#include "moved_weights.h"

enum { FEW_ROWS = 6 /* tables pay from here on */, ROWS = 64, GROUPS = 32 / TFOA_GROUP };

typedef tfoa_pair group_sums[1 << TFOA_GROUP];

static inline tfoa_pair load_weights(const tfoa_bits_product *product, int32_t in, int32_t first, int32_t count)
{
    const tfoa_pair zero = {tfoa_splat(0.0f), tfoa_splat(0.0f)};
    return in < product->ins ? tfoa_load_pair(product->w + (int64_t)in * product->outs + first, count) : zero;
}

/* The sums of all subsets of each group of inputs from `in` on. */
static inline void fill_table(const tfoa_bits_product *product, int32_t in, int32_t first, int32_t count, group_sums *table)
{
    for (int32_t group = 0; group < GROUPS; group++) {
        tfoa_pair *sums = table[group];
        sums[0].low = sums[0].high = tfoa_splat(0.0f);
        for (int32_t k = 0; k < TFOA_GROUP; k++) {
            const tfoa_pair weights = load_weights(product, in + group * TFOA_GROUP + k, first, count);
            for (int32_t subset = 0; subset < 1 << k; subset++) {
                sums[(1 << k) + subset].low = sums[subset].low + weights.low;
                sums[(1 << k) + subset].high = sums[subset].high + weights.high;
            }
        }
    }
}

static inline void add_word(uint32_t bits, group_sums *table, tfoa_pair *sums)
{
    tfoa_pair found = *sums;
    for (int32_t group = 0; group < GROUPS; group++) {
        const tfoa_pair *sum = &table[group][bits >> (TFOA_GROUP * group) & 15u];
        found.low += sum->low;
        found.high += sum->high;
    }
    *sums = found;
}

static inline void multiply_rows(const tfoa_bits_product *product, int32_t first_row, int32_t rows, int32_t first, int32_t count)
{
    tfoa_pair sums[ROWS];
    for (int32_t row = 0; row < rows; row++) {
        sums[row] = tfoa_load_pair(product->z + (int64_t)(first_row + row) * product->z_stride + first, count);
    }
    for (int32_t in = 0; in < product->ins; in += 32) {
        group_sums table[GROUPS];
        fill_table(product, in, first, count, table);
        for (int32_t row = 0; row < rows; row++) {
            const uint32_t *bits = product->x + (int64_t)(first_row + row) * product->x_words;
            add_word(tfoa_bits_from(bits, product->x_words, product->first_in + in), table, &sums[row]);
        }
    }
    for (int32_t row = 0; row < rows; row++) {
        tfoa_store_pair(product->z + (int64_t)(first_row + row) * product->z_stride + first, sums[row], count);
    }
}

static inline void multiply_few(const tfoa_bits_product *product, int32_t first, int32_t count)
{
    for (int32_t row = 0; row < product->rows; row++) {
        const uint32_t *bits = product->x + (int64_t)row * product->x_words;
        float *z = product->z + (int64_t)row * product->z_stride + first;
        tfoa_pair sums = tfoa_load_pair(z, count);
        for (int32_t in = 0; in < product->ins; in++) {
            const int32_t bit = product->first_in + in;
            if ((bits[bit / 32] >> (bit % 32)) & 1u) {
                const tfoa_pair weights = load_weights(product, in, first, count);
                sums.low += weights.low;
                sums.high += weights.high;
            }
        }
        tfoa_store_pair(z, sums, count);
    }
}

static inline void multiply_block(const tfoa_bits_product *product, int32_t first, int32_t count)
{
    if (product->rows < FEW_ROWS) {
        multiply_few(product, first, count);
        return;
    }
    for (int32_t row = 0; row < product->rows; row += ROWS) {
        multiply_rows(product, row, product->rows - row < ROWS ? product->rows - row : ROWS, first, count);
    }
}

void tfoa_multiply_bits(const tfoa_bits_product *product, int32_t first)
{
    if (product->outs - first >= TFOA_BLOCK) {
        multiply_block(product, first, TFOA_BLOCK);
    } else {
        multiply_block(product, first, product->outs - first);
    }
}
