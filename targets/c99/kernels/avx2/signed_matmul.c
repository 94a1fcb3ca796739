/* Integers against signs, four rows of w at a time: their signs become factors of +1 and -1 once, for all rows of q. */
#include <stddef.h>
#include <string.h>

#include "../packed.h"
#include "../sign_of_bit.h"
#include "sign_factors.h"

enum {
    SIGNED_TILE = 4,
    SIGNED_FEW = 4,    /* rows of q */
    SIGNED_CHUNK = 512 /* inputs of which factors are kept: 4 KiB for a tile */
};

/* Factors of a tile, 16 inputs at a time: those of row r at [4 i + r]. */
typedef __m256i signed_factors[SIGNED_CHUNK / 16 * SIGNED_TILE];

/* Up to SIGNED_TILE rows of w. */
typedef struct signed_tile {
    const uint32_t *w;
    size_t stride;
    int32_t rows;
} signed_tile;

static void fill_signed_factors(const signed_tile *rows, int32_t first, int32_t count, signed_factors factors)
{
    for (int32_t row = 0; row < SIGNED_TILE; row++) {
        const uint32_t *w = rows->w + (size_t)(row < rows->rows ? row : 0) * rows->stride + first / 32;
        for (int32_t i = 0; i < count; i += 32) {
            const __m256i words = _mm256_set1_epi32((int32_t)w[i / 32]);
            factors[i / 16 * SIGNED_TILE + row] = tfoa_sign_factors(words, 0);
            factors[(i / 16 + 1) * SIGNED_TILE + row] = tfoa_sign_factors(words, 2);
        }
    }
}

/* A vector of sums for each row of a tile. */
typedef struct signed_sums {
    __m256i row0, row1, row2, row3;
} signed_sums;

static inline signed_sums no_signed_sums(void)
{
    const __m256i zero = _mm256_setzero_si256();
    const signed_sums sums = {zero, zero, zero, zero};
    return sums;
}

static inline __m256i add_signed_products(__m256i sums, __m256i numbers, __m256i factors)
{
    return _mm256_add_epi32(sums, _mm256_madd_epi16(numbers, factors));
}

/* Four vectors of eight sums to one of four. */
static inline __m128i add_signed_across(signed_sums sums)
{
    const __m256i both = _mm256_hadd_epi32(_mm256_hadd_epi32(sums.row0, sums.row1), _mm256_hadd_epi32(sums.row2, sums.row3));
    return _mm_add_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
}

/* Products of two rows of q with a tile: what is loaded of the factors serves both. */
static inline void multiply_signed_rows(const int16_t *q, size_t stride, const __m256i *factors, int32_t count, __m128i *products)
{
    signed_sums first = no_signed_sums(), second = no_signed_sums();
    for (int32_t i = 0; i < count; i += 16, factors += SIGNED_TILE) {
        const __m256i numbers = _mm256_loadu_si256((const __m256i *)(const void *)(q + i));
        const __m256i others = _mm256_loadu_si256((const __m256i *)(const void *)(q + stride + i));
        first.row0 = add_signed_products(first.row0, numbers, factors[0]);
        second.row0 = add_signed_products(second.row0, others, factors[0]);
        first.row1 = add_signed_products(first.row1, numbers, factors[1]);
        second.row1 = add_signed_products(second.row1, others, factors[1]);
        first.row2 = add_signed_products(first.row2, numbers, factors[2]);
        second.row2 = add_signed_products(second.row2, others, factors[2]);
        first.row3 = add_signed_products(first.row3, numbers, factors[3]);
        second.row3 = add_signed_products(second.row3, others, factors[3]);
    }
    products[0] = add_signed_across(first);
    products[1] = add_signed_across(second);
}

static inline void keep_products(__m128i products, int32_t count, int32_t *sums)
{
    if (count == SIGNED_TILE) {
        __m128i *place = (__m128i *)(void *)sums;
        _mm_storeu_si128(place, _mm_add_epi32(_mm_loadu_si128(place), products));
        return;
    }
    int32_t found[SIGNED_TILE];
    _mm_storeu_si128((__m128i *)(void *)found, products);
    for (int32_t i = 0; i < count; i++) {
        sums[i] += found[i];
    }
}

/* Add the products of a tile over inputs [first, first + count); beyond whole words they are copied, and zeros follow them. */
static void multiply_signed_tile(const tfoa_signed_shape *shape, const signed_tile *rows, const int16_t *q, int32_t first,
                                 int32_t count, int32_t *sums)
{
    const size_t outputs = (size_t)shape->outputs, q_stride = (size_t)shape->q_stride;
    int16_t padded[2][32] = {{0}, {0}};
    signed_factors factors;
    fill_signed_factors(rows, first, count, factors);
    for (int32_t row = 0; row < shape->batch; row += 2) {
        const int32_t pair = row + 1 < shape->batch ? 2 : 1; /* a last row is multiplied twice */
        const int16_t *numbers = q + (size_t)row * q_stride + first;
        size_t stride = pair == 2 ? q_stride : 0;
        __m128i products[2];
        if (count < 32) {
            memcpy(padded[0], numbers, sizeof *numbers * (size_t)count);
            memcpy(padded[1], numbers + stride, sizeof *numbers * (size_t)count);
            numbers = padded[0];
            stride = 32;
        }
        multiply_signed_rows(numbers, stride, factors, count, products);
        for (int32_t i = 0; i < pair; i++) {
            keep_products(products[i], rows->rows, sums + (size_t)(row + i) * outputs);
        }
    }
}

/* A pair of rows at a time: factors that serve so few rows of q would not pay. */
static void multiply_signed_few(const tfoa_signed_shape *shape, const int16_t *q, const uint32_t *w, int32_t *sums)
{
    for (int32_t row = 0; row < shape->batch; row++) {
        for (int32_t output = 0; output < shape->outputs; output++) {
            const uint32_t *w_row = w + (size_t)output * (size_t)shape->w_stride;
            *sums++ = tfoa_signed_sum(q + (size_t)row * (size_t)shape->q_stride, w_row, shape->inputs);
        }
    }
}

void tfoa_signed_matmul(const tfoa_signed_shape *shape, const int16_t *q, const uint32_t *w, int32_t *sums)
{
    const int32_t whole = shape->inputs / 32 * 32;
    const size_t stride = (size_t)shape->w_stride;
    if (shape->batch < SIGNED_FEW) {
        multiply_signed_few(shape, q, w, sums);
        return;
    }
    memset(sums, 0, sizeof *sums * (size_t)shape->batch * (size_t)shape->outputs);
    for (int32_t first = 0, count; first < shape->inputs; first += count) { /* inputs that stay in the cache */
        count = first < whole ? (whole - first < SIGNED_CHUNK ? whole - first : SIGNED_CHUNK) : shape->inputs - whole;
        for (int32_t output = 0; output < shape->outputs; output += SIGNED_TILE) {
            const int32_t left = shape->outputs - output;
            const signed_tile rows = {w + (size_t)output * stride, stride, left < SIGNED_TILE ? left : SIGNED_TILE};
            multiply_signed_tile(shape, &rows, q, first, count, sums + output);
        }
    }
}
