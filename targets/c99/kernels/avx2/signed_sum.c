/* Sums of 16-bit numbers with signs as bits, 16 at a time: each bit becomes a factor of +1 or -1. */
#include <immintrin.h>

#include "../kernels.h"
#include "../sign_of_bit.h"

/* +1 or -1 in each of 16 places, for the low (offset 0) or high (offset 2) half of a word that fills `words`. */
static inline __m256i factors(__m256i words, char offset)
{
    const __m256i halves = _mm256_set1_epi16((short)(0x0100 + 0x0101 * offset));
    const __m256i places = _mm256_setr_epi16(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, -32768);
    const __m256i bits = _mm256_and_si256(_mm256_shuffle_epi8(words, halves), places);
    const __m256i is_negative = _mm256_cmpeq_epi16(bits, _mm256_setzero_si256());
    return _mm256_or_si256(is_negative, _mm256_set1_epi16(1));
}

static inline __m256i load_numbers(const int16_t *q)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)q);
}

static inline int32_t total(__m256i sums)
{
    __m128i parts = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    parts = _mm_add_epi32(parts, _mm_unpackhi_epi64(parts, parts));
    return _mm_cvtsi128_si32(parts) + _mm_extract_epi32(parts, 1);
}

int32_t tfoa_signed_sum(const int16_t *q, const uint32_t *w, int32_t n)
{
    __m256i low = _mm256_setzero_si256();
    __m256i high = _mm256_setzero_si256();
    int32_t i = 0;
    for (; i + 32 <= n; i += 32) {
        const __m256i words = _mm256_set1_epi32((int32_t)w[i / 32]);
        low = _mm256_add_epi32(low, _mm256_madd_epi16(load_numbers(q + i), factors(words, 0)));
        high = _mm256_add_epi32(high, _mm256_madd_epi16(load_numbers(q + i + 16), factors(words, 2)));
    }
    int32_t sum = total(_mm256_add_epi32(low, high));
    for (; i < n; i++) {
        sum += q[i] * tfoa_sign_of_bit(w, i);
    }
    return sum;
}
