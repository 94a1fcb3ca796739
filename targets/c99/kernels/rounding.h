/* Changes of whole numbers, rounded up or down by chance (docs/training.md). Loops over short arrays have no branch, so that
 * compilers make vectors of them; where a processor has none, what does not change draws nothing. */
#ifndef TFOA_ROUNDING_H
#define TFOA_ROUNDING_H

#include <stdint.h>
#include <string.h>

#include "integers.h"

#define TFOA_OF_PLACE 0x5BD1E995u

static inline uint32_t tfoa_mix(uint32_t x)
{
    x ^= x >> 16;
    x *= 0x21F0AAADu;
    x ^= x >> 15;
    x *= 0x735A2D97u;
    return x ^ (x >> 15);
}

/* What all draws of a step begin with. */
static inline uint32_t tfoa_word_of_step(uint32_t key, uint32_t step)
{
    return tfoa_mix(key + step * 0x2C9277B5u);
}

/* The largest whole number not above x; what is beyond all that a weight can move is brought near, by the bits of its size, and
 * so is what is no number, which the loss tells of. */
static inline int32_t tfoa_floor_near(float x)
{
    const uint32_t most = 0x47800000u; /* 65536 */
    uint32_t bits;
    float near;
    memcpy(&bits, &x, sizeof bits);
    const uint32_t size = bits & 0x7FFFFFFFu;
    bits = (bits & 0x80000000u) | (size < most ? size : most);
    memcpy(&near, &bits, sizeof near);
    const int32_t whole = (int32_t)near;
    return whole - ((float)whole > near);
}

/* moves[i] = floor(u - changes[i]), u drawn for place + i * stride. */
static inline void tfoa_round_changes(uint32_t word, uint32_t place, uint32_t stride, int32_t count, const float *changes,
                                      int32_t *moves)
{
    const uint32_t first = word + place * TFOA_OF_PLACE, step = stride * TFOA_OF_PLACE;
    for (int32_t i = 0; i < count; i++) {
#if !TFOA_HAS_VECTORS
        if (changes[i] == 0.0f) {
            moves[i] = 0; /* u is below 1 */
            continue;
        }
#endif
        const uint32_t drawn = tfoa_mix(first + (uint32_t)i * step) >> 8;
        moves[i] = tfoa_floor_near((float)(int32_t)drawn * (1.0f / 16777216.0f) - changes[i]);
    }
}

static inline int32_t tfoa_clipped(int32_t q, int32_t most)
{
    const int32_t below = q < most ? q : most;
    return below > -most ? below : -most;
}

#endif
