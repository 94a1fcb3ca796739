/* Integers against signs, tiles of four rows of q and four of w: signs become factors of +1 and -1 once, for all rows of q. Needs
 * AVX512F, AVX512BW and AVX512_VNNI. */
#include <immintrin.h>
#include <stddef.h>
#include <string.h>

#include "../packed.h"

enum {
    SIGNED_ROWS = 4,
    SIGNED_OUTPUTS = 4,
    SIGNED_NUMBERS = 32,    /* in a vector, whose signs are a word of w */
    SIGNED_CHUNK_WORDS = 64 /* of which factors are kept: 16 KiB for four rows of w */
};

/* Factors of four rows of w: those of word i and row r at [4 i + r]. */
typedef __m512i signed_factors[SIGNED_CHUNK_WORDS * SIGNED_OUTPUTS];

/* Rows of w that a tile has, and the words of them that it takes now. */
typedef struct signed_tile {
    const uint32_t *w;
    size_t stride;
    int32_t outputs; /* the last tile may have fewer than four */
    int32_t first_word;
    int32_t words;
    int32_t last_numbers; /* in the last word */
} signed_tile;

static void fill_signed_factors(const signed_tile *tile, signed_factors factors)
{
    const __m512i plus = _mm512_set1_epi16(1), minus = _mm512_set1_epi16(-1);
    for (int32_t row = 0; row < SIGNED_OUTPUTS; row++) {
        const uint32_t *w = tile->w + (size_t)(row < tile->outputs ? row : 0) * tile->stride + tile->first_word;
        for (int32_t i = 0; i < tile->words; i++) {
            factors[i * SIGNED_OUTPUTS + row] = _mm512_mask_blend_epi16((__mmask32)w[i], minus, plus);
        }
    }
}

/* Sixteen sums for each of four outputs. */
typedef struct signed_sums {
    __m512i output0, output1, output2, output3;
} signed_sums;

static inline signed_sums add_signed_products(signed_sums sums, __m512i numbers, const __m512i *factors)
{
    sums.output0 = _mm512_dpwssd_epi32(sums.output0, numbers, factors[0]);
    sums.output1 = _mm512_dpwssd_epi32(sums.output1, numbers, factors[1]);
    sums.output2 = _mm512_dpwssd_epi32(sums.output2, numbers, factors[2]);
    sums.output3 = _mm512_dpwssd_epi32(sums.output3, numbers, factors[3]);
    return sums;
}

static inline __m512i add_pairs(__m512i a, __m512i b)
{
    return _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
}

/* Add the sums of a row of q to what its outputs have. */
static inline void keep_signed_sums(const signed_sums *sums, int32_t outputs, int32_t *kept)
{
    const __m512i low = add_pairs(sums->output0, sums->output1), high = add_pairs(sums->output2, sums->output3);
    const __m512i quarters = _mm512_add_epi32(_mm512_unpacklo_epi64(low, high), _mm512_unpackhi_epi64(low, high));
    int32_t parts[4][SIGNED_OUTPUTS];
    memcpy(parts, &quarters, sizeof parts);
    for (int32_t i = 0; i < outputs; i++) {
        kept[i] += (parts[0][i] + parts[1][i]) + (parts[2][i] + parts[3][i]);
    }
}

static inline void multiply_signed_rows(const int16_t *const *q, const signed_tile *tile, const __m512i *factors,
                                        signed_sums *sums)
{
    const __m512i zero = _mm512_setzero_si512();
    signed_sums sums0 = {zero, zero, zero, zero}, sums1 = sums0, sums2 = sums0, sums3 = sums0;
    for (int32_t i = 0; i < tile->words; i++, factors += SIGNED_OUTPUTS) {
        const int32_t numbers = i + 1 < tile->words ? SIGNED_NUMBERS : tile->last_numbers, at = i * SIGNED_NUMBERS;
        const __mmask32 inside = (__mmask32)(0xFFFFFFFFu >> (SIGNED_NUMBERS - numbers));
        sums0 = add_signed_products(sums0, _mm512_maskz_loadu_epi16(inside, q[0] + at), factors);
        sums1 = add_signed_products(sums1, _mm512_maskz_loadu_epi16(inside, q[1] + at), factors);
        sums2 = add_signed_products(sums2, _mm512_maskz_loadu_epi16(inside, q[2] + at), factors);
        sums3 = add_signed_products(sums3, _mm512_maskz_loadu_epi16(inside, q[3] + at), factors);
    }
    sums[0] = sums0;
    sums[1] = sums1;
    sums[2] = sums2;
    sums[3] = sums3;
}

static void multiply_signed_tile(const tfoa_signed_shape *shape, const signed_tile *tile, const int16_t *q, int32_t *sums)
{
    signed_factors factors;
    fill_signed_factors(tile, factors);
    for (int32_t row = 0; row < shape->batch; row += SIGNED_ROWS) {
        const int32_t rows = shape->batch - row < SIGNED_ROWS ? shape->batch - row : SIGNED_ROWS;
        const int16_t *numbers[SIGNED_ROWS];
        signed_sums found[SIGNED_ROWS];
        for (int32_t i = 0; i < SIGNED_ROWS; i++) { /* in place of rows that are not there the last one is multiplied again */
            const size_t place = (size_t)(row + (i < rows ? i : rows - 1));
            numbers[i] = q + place * (size_t)shape->q_stride + (size_t)tile->first_word * SIGNED_NUMBERS;
        }
        multiply_signed_rows(numbers, tile, factors, found);
        for (int32_t i = 0; i < rows; i++) {
            keep_signed_sums(&found[i], tile->outputs, sums + (size_t)(row + i) * (size_t)shape->outputs);
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
    const int32_t words = TFOA_WORDS(shape->inputs);
    const size_t stride = (size_t)shape->w_stride;
    if (shape->batch < SIGNED_ROWS) {
        multiply_signed_few(shape, q, w, sums);
        return;
    }
    memset(sums, 0, sizeof *sums * (size_t)shape->batch * (size_t)shape->outputs);
    for (int32_t first = 0; first < words; first += SIGNED_CHUNK_WORDS) {
        const int32_t left = words - first, count = left < SIGNED_CHUNK_WORDS ? left : SIGNED_CHUNK_WORDS;
        const int32_t last = shape->inputs - (first + count - 1) * SIGNED_NUMBERS;
        for (int32_t output = 0; output < shape->outputs; output += SIGNED_OUTPUTS) {
            const int32_t others = shape->outputs - output;
            const signed_tile tile = {w + (size_t)output * stride,
                                      stride,
                                      others < SIGNED_OUTPUTS ? others : SIGNED_OUTPUTS,
                                      first,
                                      count,
                                      last < SIGNED_NUMBERS ? last : SIGNED_NUMBERS};
            multiply_signed_tile(shape, &tile, q, sums + output);
        }
    }
}
