/* Sums of 16-bit numbers with signs as bits, 16 at a time: each bit becomes a factor of +1 or -1. */
#include "../kernels.h"
#include "../sign_of_bit.h"
#include "sign_factors.h"

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
        low = _mm256_add_epi32(low, _mm256_madd_epi16(load_numbers(q + i), tfoa_sign_factors(words, 0)));
        high = _mm256_add_epi32(high, _mm256_madd_epi16(load_numbers(q + i + 16), tfoa_sign_factors(words, 2)));
    }
    int32_t sum = total(_mm256_add_epi32(low, high));
    for (; i < n; i++) {
        sum += q[i] * tfoa_sign_of_bit(w, i);
    }
    return sum;
}
