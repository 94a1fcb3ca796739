/* Sums of 16-bit numbers with signs as bits, 16 at a time. A predicate of MVE (Helium) has a bit for each of 16 bytes,
 * which is what 16 signs are. So numbers are split into low and high bytes, and signs choose which of them are summed. */
#include <arm_mve.h>

#include "../kernels.h"
#include "../sign_of_bit.h"

int32_t tfoa_signed_sum(const int16_t *q, const uint32_t *w, int32_t n)
{
    uint32_t chosen_low = 0, all_low = 0;
    int32_t chosen_high = 0, all_high = 0;
    int32_t i = 0;
    for (; i + 16 <= n; i += 16) {
        const mve_pred16_t signs = (mve_pred16_t)(w[i / 32] >> (i % 32));
        const uint8x16x2_t bytes = vld2q_u8((const uint8_t *)(q + i));
        const int8x16_t high = vreinterpretq_s8_u8(bytes.val[1]);
        chosen_low = vaddvaq_p_u8(chosen_low, bytes.val[0], signs);
        chosen_high = vaddvaq_p_s8(chosen_high, high, signs);
        all_low = vaddvaq_u8(all_low, bytes.val[0]);
        all_high = vaddvaq_s8(all_high, high);
    }
    int32_t sum = 256 * (2 * chosen_high - all_high) + 2 * (int32_t)chosen_low - (int32_t)all_low;
    for (; i < n; i++) {
        sum += q[i] * tfoa_sign_of_bit(w, i);
    }
    return sum;
}
