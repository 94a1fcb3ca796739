/* Signs as factors of +1 and -1 for 16-bit numbers. */
#ifndef TFOA_AVX2_SIGN_FACTORS_H
#define TFOA_AVX2_SIGN_FACTORS_H

#include <immintrin.h>

/* +1 or -1 in each of 16 places, for the low (offset 0) or high (offset 2) half of a word that fills `words`. */
static inline __m256i tfoa_sign_factors(__m256i words, char offset)
{
    const __m256i halves = _mm256_set1_epi16((short)(0x0100 + 0x0101 * offset));
    const __m256i places = _mm256_setr_epi16(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, -32768);
    const __m256i bits = _mm256_and_si256(_mm256_shuffle_epi8(words, halves), places);
    const __m256i is_negative = _mm256_cmpeq_epi16(bits, _mm256_setzero_si256());
    return _mm256_or_si256(is_negative, _mm256_set1_epi16(1));
}

#endif
