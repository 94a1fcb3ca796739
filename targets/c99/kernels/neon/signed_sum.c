/* Sums of 16-bit numbers with signs as bits, eight at a time: numbers whose bit is set are kept by a mask, and summed. */
#include <arm_neon.h>

#include "../kernels.h"
#include "../sign_of_bit.h"

/* Adds those of eight numbers whose bit, of the lowest eight of `bits`, is set. */
static inline int32x4_t add_chosen(int32x4_t sums, int16x8_t q, uint32_t bits)
{
    static const uint16_t places[8] = {1, 2, 4, 8, 16, 32, 64, 128};
    const uint16x8_t chosen = vtstq_u16(vdupq_n_u16((uint16_t)bits), vld1q_u16(places));
    return vpadalq_s16(sums, vandq_s16(q, vreinterpretq_s16_u16(chosen)));
}

static inline int32_t total(int32x4_t sums)
{
    const int64x2_t halves = vpaddlq_s32(sums);
    return (int32_t)(vgetq_lane_s64(halves, 0) + vgetq_lane_s64(halves, 1));
}

int32_t tfoa_signed_sum(const int16_t *q, const uint32_t *w, int32_t n)
{
    int32x4_t chosen = vdupq_n_s32(0);
    int32x4_t all = vdupq_n_s32(0);
    int32_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const int16x8_t numbers = vld1q_s16(q + i);
        chosen = add_chosen(chosen, numbers, w[i / 32] >> (i % 32));
        all = vpadalq_s16(all, numbers);
    }
    int32_t sum = 2 * total(chosen) - total(all);
    for (; i < n; i++) {
        sum += q[i] * tfoa_sign_of_bit(w, i);
    }
    return sum;
}
