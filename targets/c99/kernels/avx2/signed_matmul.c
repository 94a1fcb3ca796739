/* Integers against signs, four rows of w at a time: their signs become factors of +1 and -1 once, which all rows of q are multiplied
 * with. */
#include <stddef.h>
#include <string.h>

#include "../packed.h"
#include "../sign_of_bit.h"
#include "sign_factors.h"

enum {
    TILE = 4,
    FEW = 4,    /* rows of q */
    CHUNK = 512 /* inputs of which factors are kept: 4 KiB for a tile */
};

/* Factors of a tile, 16 inputs at a time: those of row r at [4 i + r]. */
typedef __m256i tile_factors[CHUNK / 16 * TILE];

/* Up to TILE rows of w. */
typedef struct tile {
    const uint32_t *w;
    size_t stride;
    int32_t rows;
} tile;

static void fill_factors(const tile *rows, int32_t first, int32_t count, tile_factors factors)
{
    for (int32_t row = 0; row < TILE; row++) {
        const uint32_t *w = rows->w + (size_t)(row < rows->rows ? row : 0) * rows->stride + first / 32;
        for (int32_t i = 0; i < count; i += 32) {
            const __m256i words = _mm256_set1_epi32((int32_t)w[i / 32]);
            factors[i / 16 * TILE + row] = tfoa_sign_factors(words, 0);
            factors[(i / 16 + 1) * TILE + row] = tfoa_sign_factors(words, 2);
        }
    }
}

/* Four vectors of eight sums to one of four. */
static inline __m128i add_across(const __m256i *sums)
{
    const __m256i both = _mm256_hadd_epi32(_mm256_hadd_epi32(sums[0], sums[1]), _mm256_hadd_epi32(sums[2], sums[3]));
    return _mm_add_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
}

/* Products of two rows of q with a tile: what is loaded of the factors serves both. */
static inline void multiply_rows(const int16_t *q, size_t stride, const __m256i *factors, int32_t count, __m128i *products)
{
    __m256i first[TILE], second[TILE];
    for (int32_t row = 0; row < TILE; row++) {
        first[row] = second[row] = _mm256_setzero_si256();
    }
    for (int32_t i = 0; i < count; i += 16, factors += TILE) {
        const __m256i numbers = _mm256_loadu_si256((const __m256i *)(const void *)(q + i));
        const __m256i others = _mm256_loadu_si256((const __m256i *)(const void *)(q + stride + i));
        for (int32_t row = 0; row < TILE; row++) {
            first[row] = _mm256_add_epi32(first[row], _mm256_madd_epi16(numbers, factors[row]));
            second[row] = _mm256_add_epi32(second[row], _mm256_madd_epi16(others, factors[row]));
        }
    }
    products[0] = add_across(first);
    products[1] = add_across(second);
}

static inline void add_products(__m128i products, int32_t count, int32_t *sums)
{
    if (count == TILE) {
        __m128i *place = (__m128i *)(void *)sums;
        _mm_storeu_si128(place, _mm_add_epi32(_mm_loadu_si128(place), products));
        return;
    }
    int32_t found[TILE];
    _mm_storeu_si128((__m128i *)(void *)found, products);
    for (int32_t i = 0; i < count; i++) {
        sums[i] += found[i];
    }
}

/* Add the products of a tile over inputs [first, first + count); beyond whole words they are copied to where zeros follow them. */
static void multiply_tile(const tfoa_signed_shape *shape, const tile *rows, const int16_t *q, int32_t first, int32_t count, int32_t *sums)
{
    const size_t outputs = (size_t)shape->outputs, q_stride = (size_t)shape->q_stride;
    int16_t padded[2][32] = {{0}, {0}};
    tile_factors factors;
    fill_factors(rows, first, count, factors);
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
        multiply_rows(numbers, stride, factors, count, products);
        for (int32_t i = 0; i < pair; i++) {
            add_products(products[i], rows->rows, sums + (size_t)(row + i) * outputs);
        }
    }
}

/* A pair of rows at a time: factors that serve so few rows of q would not pay. */
static void multiply_few(const tfoa_signed_shape *shape, const int16_t *q, const uint32_t *w, int32_t *sums)
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
    if (shape->batch < FEW) {
        multiply_few(shape, q, w, sums);
        return;
    }
    memset(sums, 0, sizeof *sums * (size_t)shape->batch * (size_t)shape->outputs);
    for (int32_t first = 0, count; first < shape->inputs; first += count) { /* all outputs against inputs that stay in the cache */
        count = first < whole ? (whole - first < CHUNK ? whole - first : CHUNK) : shape->inputs - whole;
        for (int32_t output = 0; output < shape->outputs; output += TILE) {
            const int32_t left = shape->outputs - output;
            const tile rows = {w + (size_t)output * stride, stride, left < TILE ? left : TILE};
            multiply_tile(shape, &rows, q, first, count, sums + output);
        }
    }
}
