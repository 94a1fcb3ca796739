/* Counting ones, 128 at a time, with NEON's VCNT: eight counts to a vector of bytes. */
#include <arm_neon.h>

#include "../kernels.h"

/* A byte counts at most 8 a vector, so that 31 vectors fit into it. */
enum { MOST_VECTORS = 31 };

/* Ones in x & w, as four sums; num_vectors <= MOST_VECTORS. */
static inline uint32x4_t count_vectors(const uint32_t *x, const uint32_t *w, int32_t num_vectors)
{
    uint8x16_t bytes = vdupq_n_u8(0);
    for (int32_t i = 0; i < num_vectors; i++) {
        const uint32x4_t both = vandq_u32(vld1q_u32(x + 4 * i), vld1q_u32(w + 4 * i));
        bytes = vaddq_u8(bytes, vcntq_u8(vreinterpretq_u8_u32(both)));
    }
    return vpaddlq_u16(vpaddlq_u8(bytes));
}

static inline int32_t count_word(uint32_t word)
{
    const uint8x8_t bytes = vcnt_u8(vreinterpret_u8_u32(vdup_n_u32(word)));
    return (int32_t)vget_lane_u32(vpaddl_u16(vpaddl_u8(bytes)), 0);
}

int32_t tfoa_packed_dot(const uint32_t *x, const uint32_t *w, int32_t num_words)
{
    uint32x4_t sums = vdupq_n_u32(0);
    while (num_words >= 4) {
        const int32_t num_vectors = num_words / 4 < MOST_VECTORS ? num_words / 4 : MOST_VECTORS;
        sums = vaddq_u32(sums, count_vectors(x, w, num_vectors));
        x += 4 * num_vectors;
        w += 4 * num_vectors;
        num_words -= 4 * num_vectors;
    }
    const uint64x2_t halves = vpaddlq_u32(sums);
    int32_t ones = (int32_t)(vgetq_lane_u64(halves, 0) + vgetq_lane_u64(halves, 1));
    for (int32_t i = 0; i < num_words; i++) {
        ones += count_word(x[i] & w[i]);
    }
    return ones;
}

int32_t tfoa_packed_count(const uint32_t *x, int32_t num_words)
{
    return tfoa_packed_dot(x, x, num_words);
}
