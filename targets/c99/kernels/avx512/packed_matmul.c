/* Bits against signs, four rows of w at a time: what is loaded of x serves all four. Needs AVX512F and AVX512_VPOPCNTDQ. */
#include <immintrin.h>
#include <stddef.h>
#include <string.h>

#include "../packed.h"
#include "../packed_tiles.h"

enum { TILE = 4, VECTOR_WORDS = 16 };

static inline __m512i add_ones(__m512i sums, __m512i x, __m512i w)
{
    return _mm512_add_epi64(sums, _mm512_popcnt_epi64(_mm512_and_si512(x, w)));
}

/* Two vectors of eight 64-bit counts, which are below 2^31, as one: those of a in even places, those of b in odd ones. */
static inline __m512i interleave_counts(__m512i a, __m512i b)
{
    return _mm512_or_si512(a, _mm512_slli_epi64(b, 32));
}

/* The ones that x has in common with each row of a tile. */
static inline void count_tile(const uint32_t *x, tfoa_tile_rows rows, int32_t num_words, int32_t ones[TILE])
{
    const uint32_t *w0 = rows.first, *w1 = w0 + rows.stride, *w2 = w1 + rows.stride, *w3 = w2 + rows.stride;
    __m512i sum0 = _mm512_setzero_si512(), sum1 = sum0, sum2 = sum0, sum3 = sum0;
    for (int32_t i = 0; i < num_words; i += VECTOR_WORDS) {
        /* Words of the last vector that lie beyond the end are not read, and count as zero. */
        const __mmask16 inside = (__mmask16)(num_words - i < VECTOR_WORDS ? (1u << (num_words - i)) - 1u : 0xFFFFu);
        const __m512i x_words = _mm512_maskz_loadu_epi32(inside, x + i);
        sum0 = add_ones(sum0, x_words, _mm512_maskz_loadu_epi32(inside, w0 + i));
        sum1 = add_ones(sum1, x_words, _mm512_maskz_loadu_epi32(inside, w1 + i));
        sum2 = add_ones(sum2, x_words, _mm512_maskz_loadu_epi32(inside, w2 + i));
        sum3 = add_ones(sum3, x_words, _mm512_maskz_loadu_epi32(inside, w3 + i));
    }
    const __m512i low = interleave_counts(sum0, sum1), high = interleave_counts(sum2, sum3);
    const __m512i quarters = _mm512_add_epi32(_mm512_unpacklo_epi64(low, high), _mm512_unpackhi_epi64(low, high));
    int32_t parts[4][TILE];
    memcpy(parts, &quarters, sizeof parts);
    for (int32_t i = 0; i < TILE; i++) {
        ones[i] = (parts[0][i] + parts[1][i]) + (parts[2][i] + parts[3][i]);
    }
}

void tfoa_packed_matmul(const tfoa_packed_shape *shape, const uint32_t *x, const uint32_t *w, int32_t *dot)
{
    const size_t outputs = (size_t)shape->outputs, w_stride = (size_t)shape->w_stride, x_stride = (size_t)shape->x_stride;
    const int32_t whole = shape->outputs / TILE * TILE;
    tfoa_begin_tiles(shape, whole, x, w, dot);
    for (int32_t output = 0; output < whole; output += TILE) { /* all of x against a tile, which stays in the cache */
        const tfoa_tile_rows rows = {w + (size_t)output * w_stride, w_stride};
        for (int32_t row = 0; row < shape->batch; row++) {
            int32_t ones[TILE];
            count_tile(x + (size_t)row * x_stride, rows, shape->words, ones);
            for (size_t i = 0; i < TILE; i++) {
                dot[(size_t)row * outputs + (size_t)output + i] += 2 * ones[i];
            }
        }
    }
}
