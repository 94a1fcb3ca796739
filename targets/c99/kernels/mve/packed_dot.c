/* Counting ones, 128 at a time, with MVE (Helium), which has no instruction for it: sums of neighbouring fields in each byte. */
#include <arm_mve.h>

#include "../kernels.h"

/* A byte counts at most 8 a vector, so that 31 vectors fit into it. */
enum { MOST_WORDS = 4 * 31 };

/* Ones in each byte (Hacker's Delight, 2nd edition, section 5-1). */
static inline uint8x16_t count_bytes(uint8x16_t bits)
{
    const uint8x16_t odd = vandq_u8(vshrq_n_u8(bits, 1), vdupq_n_u8(0x55));
    const uint8x16_t pairs = vsubq_u8(bits, odd);
    const uint8x16_t high = vandq_u8(vshrq_n_u8(pairs, 2), vdupq_n_u8(0x33));
    const uint8x16_t nibbles = vaddq_u8(vandq_u8(pairs, vdupq_n_u8(0x33)), high);
    return vandq_u8(vaddq_u8(nibbles, vshrq_n_u8(nibbles, 4)), vdupq_n_u8(0x0F));
}

/* Ones in x & w; num_words <= MOST_WORDS. Words of a vector that lie beyond the end are not read, and count as zero. */
static inline uint32_t count_words(const uint32_t *x, const uint32_t *w, int32_t num_words)
{
    uint8x16_t bytes = vdupq_n_u8(0);
    for (int32_t i = 0; i < num_words; i += 4) {
        const mve_pred16_t inside = vctp32q((uint32_t)(num_words - i));
        const uint32x4_t both = vandq_u32(vldrwq_z_u32(x + i, inside), vldrwq_z_u32(w + i, inside));
        bytes = vaddq_u8(bytes, count_bytes(vreinterpretq_u8_u32(both)));
    }
    return vaddvq_u8(bytes);
}

int32_t tfoa_packed_dot(const uint32_t *x, const uint32_t *w, int32_t num_words)
{
    uint32_t ones = 0;
    for (int32_t i = 0; i < num_words; i += MOST_WORDS) {
        ones += count_words(x + i, w + i, num_words - i < MOST_WORDS ? num_words - i : MOST_WORDS);
    }
    return (int32_t)ones;
}

int32_t tfoa_packed_count(const uint32_t *x, int32_t num_words)
{
    return tfoa_packed_dot(x, x, num_words);
}
