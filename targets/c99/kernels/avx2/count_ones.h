/* Ones in 256-bit vectors: a table of the 16 nibbles, looked up 32 at a time (Mula, Kurz and Lemire, Faster Population
 * Counts Using AVX2 Instructions, 2018). */
#ifndef TFOA_AVX2_COUNT_ONES_H
#define TFOA_AVX2_COUNT_ONES_H

#include <immintrin.h>
#include <stdint.h>

enum {
    TFOA_VECTOR_WORDS = 8,
    TFOA_CHUNK_WORDS = 31 * 8 /* a byte counts at most 8 a vector, so that 31 vectors fit into it */
};

static inline __m256i tfoa_load_words(const uint32_t *words)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)words);
}

/* The first `count` < 8 words, zero behind them; what lies there is not read. */
static inline __m256i tfoa_load_some_words(const uint32_t *words, int32_t count)
{
    const __m256i places = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_maskload_epi32((const int *)(const void *)words, _mm256_cmpgt_epi32(_mm256_set1_epi32(count), places));
}

/* Adds the ones in each byte of `bits` to the bytes of `counts`. */
static inline __m256i tfoa_add_counts(__m256i counts, __m256i bits)
{
    const __m256i ones = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
    const __m256i nibble = _mm256_set1_epi8(0x0F);
    const __m256i low = _mm256_shuffle_epi8(ones, _mm256_and_si256(bits, nibble));
    const __m256i high = _mm256_shuffle_epi8(ones, _mm256_and_si256(_mm256_srli_epi16(bits, 4), nibble));
    return _mm256_add_epi8(counts, _mm256_add_epi8(low, high));
}

/* Adds the bytes of `counts` to four sums. */
static inline __m256i tfoa_add_bytes(__m256i sums, __m256i counts)
{
    return _mm256_add_epi64(sums, _mm256_sad_epu8(counts, _mm256_setzero_si256()));
}

#endif
