/* Counting ones, 512 at a time, with VPOPCNTQ: needs AVX512F and AVX512_VPOPCNTDQ. */
#include <immintrin.h>

#include "../kernels.h"

enum { VECTOR_WORDS = 16 };

int32_t tfoa_packed_dot(const uint32_t *x, const uint32_t *w, int32_t num_words)
{
    __m512i sums = _mm512_setzero_si512();
    int32_t i = 0;
    for (; i + VECTOR_WORDS <= num_words; i += VECTOR_WORDS) {
        const __m512i both = _mm512_and_si512(_mm512_loadu_si512(x + i), _mm512_loadu_si512(w + i));
        sums = _mm512_add_epi64(sums, _mm512_popcnt_epi64(both));
    }
    /* Words of the last vector that lie beyond the end are not read, and count as zero. */
    const __mmask16 rest = (__mmask16)((1u << (num_words - i)) - 1u);
    const __m512i both = _mm512_and_si512(_mm512_maskz_loadu_epi32(rest, x + i), _mm512_maskz_loadu_epi32(rest, w + i));
    sums = _mm512_add_epi64(sums, _mm512_popcnt_epi64(both));
    return (int32_t)_mm512_reduce_add_epi64(sums);
}

int32_t tfoa_packed_count(const uint32_t *x, int32_t num_words)
{
    return tfoa_packed_dot(x, x, num_words);
}
