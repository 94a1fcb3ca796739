/* Bits against signs, four rows of w at a time: what is loaded of x serves all four, and they are added up across together. */
#include <stddef.h>

#include "../packed.h"
#include "../packed_tiles.h"
#include "count_ones.h"

enum { TILE = 4 };

/* A vector for each row of a tile: counts by bytes, or sums in four parts. */
typedef struct tile_sums {
    __m256i row0, row1, row2, row3;
} tile_sums;

static inline tile_sums no_sums(void)
{
    const __m256i zero = _mm256_setzero_si256();
    const tile_sums sums = {zero, zero, zero, zero};
    return sums;
}

/* Ones in x and each row of a tile, by bytes; num_words <= TFOA_CHUNK_WORDS. */
static inline tile_sums count_tile_chunk(const uint32_t *x, tfoa_tile_rows rows, int32_t num_words)
{
    const uint32_t *w0 = rows.first, *w1 = w0 + rows.stride, *w2 = w1 + rows.stride, *w3 = w2 + rows.stride;
    tile_sums counts = no_sums();
    int32_t i = 0;
    for (; i + TFOA_VECTOR_WORDS <= num_words; i += TFOA_VECTOR_WORDS) {
        const __m256i words = tfoa_load_words(x + i);
        counts.row0 = tfoa_add_counts(counts.row0, _mm256_and_si256(words, tfoa_load_words(w0 + i)));
        counts.row1 = tfoa_add_counts(counts.row1, _mm256_and_si256(words, tfoa_load_words(w1 + i)));
        counts.row2 = tfoa_add_counts(counts.row2, _mm256_and_si256(words, tfoa_load_words(w2 + i)));
        counts.row3 = tfoa_add_counts(counts.row3, _mm256_and_si256(words, tfoa_load_words(w3 + i)));
    }
    const int32_t rest = num_words - i;
    if (rest > 0) {
        const __m256i words = tfoa_load_some_words(x + i, rest);
        counts.row0 = tfoa_add_counts(counts.row0, _mm256_and_si256(words, tfoa_load_some_words(w0 + i, rest)));
        counts.row1 = tfoa_add_counts(counts.row1, _mm256_and_si256(words, tfoa_load_some_words(w1 + i, rest)));
        counts.row2 = tfoa_add_counts(counts.row2, _mm256_and_si256(words, tfoa_load_some_words(w2 + i, rest)));
        counts.row3 = tfoa_add_counts(counts.row3, _mm256_and_si256(words, tfoa_load_some_words(w3 + i, rest)));
    }
    return counts;
}

/* The four parts of each row to one sum; each is less than 2^32, so that two rows fit into one vector. */
static inline __m128i add_across(tile_sums sums)
{
    const __m256i first = _mm256_or_si256(sums.row0, _mm256_slli_epi64(sums.row1, 32));
    const __m256i second = _mm256_or_si256(sums.row2, _mm256_slli_epi64(sums.row3, 32));
    const __m256i low = _mm256_unpacklo_epi64(first, second), high = _mm256_unpackhi_epi64(first, second);
    const __m256i both = _mm256_add_epi32(low, high);
    return _mm_add_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
}

static inline __m128i count_tile(const uint32_t *x, tfoa_tile_rows rows, int32_t num_words)
{
    tile_sums sums = no_sums();
    for (int32_t i = 0; i < num_words; i += TFOA_CHUNK_WORDS) {
        const int32_t count = num_words - i < TFOA_CHUNK_WORDS ? num_words - i : TFOA_CHUNK_WORDS;
        const tfoa_tile_rows chunk_rows = {rows.first + i, rows.stride};
        const tile_sums counts = count_tile_chunk(x + i, chunk_rows, count);
        sums.row0 = tfoa_add_bytes(sums.row0, counts.row0);
        sums.row1 = tfoa_add_bytes(sums.row1, counts.row1);
        sums.row2 = tfoa_add_bytes(sums.row2, counts.row2);
        sums.row3 = tfoa_add_bytes(sums.row3, counts.row3);
    }
    return add_across(sums);
}

void tfoa_packed_matmul(const tfoa_packed_shape *shape, const uint32_t *x, const uint32_t *w, int32_t *dot)
{
    const size_t outputs = (size_t)shape->outputs, w_stride = (size_t)shape->w_stride, x_stride = (size_t)shape->x_stride;
    const int32_t whole = shape->outputs / TILE * TILE;
    tfoa_begin_tiles(shape, whole, x, w, dot);
    for (int32_t output = 0; output < whole; output += TILE) { /* all of x against a tile, which stays in the cache */
        const tfoa_tile_rows rows = {w + (size_t)output * w_stride, w_stride};
        for (int32_t row = 0; row < shape->batch; row++) {
            __m128i *place = (__m128i *)(void *)(dot + (size_t)row * outputs + (size_t)output);
            const __m128i ones = count_tile(x + (size_t)row * x_stride, rows, shape->words);
            _mm_storeu_si128(place, _mm_add_epi32(_mm_loadu_si128(place), _mm_slli_epi32(ones, 1)));
        }
    }
}
