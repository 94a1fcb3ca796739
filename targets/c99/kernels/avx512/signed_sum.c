/* Sums of 16-bit numbers with signs as bits, 32 at a time: a word of w is a mask of factors. Needs AVX512F and AVX512BW. */
#include <immintrin.h>

#include "../kernels.h"
#include "../sign_of_bit.h"

int32_t tfoa_signed_sum(const int16_t *q, const uint32_t *w, int32_t n)
{
    const __m512i plus = _mm512_set1_epi16(1);
    const __m512i minus = _mm512_set1_epi16(-1);
    __m512i sums = _mm512_setzero_si512();
    int32_t i = 0;
    for (; i + 32 <= n; i += 32) {
        const __m512i factors = _mm512_mask_blend_epi16((__mmask32)w[i / 32], minus, plus);
        sums = _mm512_add_epi32(sums, _mm512_madd_epi16(_mm512_loadu_si512(q + i), factors));
    }
    int32_t sum = _mm512_reduce_add_epi32(sums);
    for (; i < n; i++) {
        sum += q[i] * tfoa_sign_of_bit(w, i);
    }
    return sum;
}
