/* Counting ones, 256 at a time. */
#include "../kernels.h"
#include "count_ones.h"

/* Ones in x & w, by bytes; num_words <= TFOA_CHUNK_WORDS. */
static inline __m256i count_chunk(const uint32_t *x, const uint32_t *w, int32_t num_words)
{
    __m256i counts = _mm256_setzero_si256();
    int32_t i = 0;
    for (; i + TFOA_VECTOR_WORDS <= num_words; i += TFOA_VECTOR_WORDS) {
        counts = tfoa_add_counts(counts, _mm256_and_si256(tfoa_load_words(x + i), tfoa_load_words(w + i)));
    }
    const __m256i x_rest = tfoa_load_some_words(x + i, num_words - i);
    return tfoa_add_counts(counts, _mm256_and_si256(x_rest, tfoa_load_some_words(w + i, num_words - i)));
}

int32_t tfoa_packed_dot(const uint32_t *x, const uint32_t *w, int32_t num_words)
{
    __m256i sums = _mm256_setzero_si256();
    for (int32_t i = 0; i < num_words; i += TFOA_CHUNK_WORDS) {
        const int32_t count = num_words - i < TFOA_CHUNK_WORDS ? num_words - i : TFOA_CHUNK_WORDS;
        sums = tfoa_add_bytes(sums, count_chunk(x + i, w + i, count));
    }
    const __m128i halves = _mm_add_epi64(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    return _mm_cvtsi128_si32(halves) + _mm_extract_epi32(halves, 2);
}

int32_t tfoa_packed_count(const uint32_t *x, int32_t num_words)
{
    return tfoa_packed_dot(x, x, num_words);
}
