/* One weight among whole numbers: read, written, and moved by a change that is rounded by chance. */
#ifndef TFOA_INTEGER_WEIGHTS_H
#define TFOA_INTEGER_WEIGHTS_H

#include "weight_steps.h"

/* Where words are kept with their highest byte first, the lowest one is the last of its word. */
#if defined(__BYTE_ORDER__) && defined(__ORDER_BIG_ENDIAN__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define TFOA_FLIPPED(place, count) ((place) ^ ((count) - 1u)) /* the count is that of numbers in a word */
#else
#define TFOA_FLIPPED(place, count) (place)
#endif

/* Two of 12 bits lie in three bytes: here the byte where one begins, and that byte with the next. */
static inline uint32_t tfoa_byte_of_twelve(uint32_t place)
{
    return place + place / 2u;
}

static inline uint32_t tfoa_pair_of_bytes(const uint8_t *bytes, uint32_t first)
{
    return bytes[TFOA_FLIPPED(first, 4u)] | (uint32_t)bytes[TFOA_FLIPPED(first + 1u, 4u)] << 8;
}

static inline int32_t tfoa_integer_at(const void *q, uint32_t bits, uint32_t place)
{
    if (bits == 8u) {
        return ((const int8_t *)q)[TFOA_FLIPPED(place, 4u)];
    }
    if (bits == 16u) {
        return ((const int16_t *)q)[TFOA_FLIPPED(place, 2u)];
    }
    const uint32_t pair = tfoa_pair_of_bytes((const uint8_t *)q, tfoa_byte_of_twelve(place));
    return (int32_t)(((place & 1u ? pair >> 4 : pair) & 0xFFFu) ^ 0x800u) - 0x800;
}

static inline void tfoa_set_integer(void *q, uint32_t bits, uint32_t place, int32_t value)
{
    if (bits == 8u) {
        ((int8_t *)q)[TFOA_FLIPPED(place, 4u)] = (int8_t)value;
    } else if (bits == 16u) {
        ((int16_t *)q)[TFOA_FLIPPED(place, 2u)] = (int16_t)value;
    } else {
        uint8_t *bytes = (uint8_t *)q;
        const uint32_t first = tfoa_byte_of_twelve(place);
        const uint32_t shift = place & 1u ? 4u : 0u;
        const uint32_t pair = (tfoa_pair_of_bytes(bytes, first) & ~(0xFFFu << shift)) | ((uint32_t)value & 0xFFFu) << shift;
        bytes[TFOA_FLIPPED(first, 4u)] = (uint8_t)pair;
        bytes[TFOA_FLIPPED(first + 1u, 4u)] = (uint8_t)(pair >> 8);
    }
}

static inline uint32_t tfoa_mix(uint32_t x)
{
    x ^= x >> 16;
    x *= 0x21F0AAADu;
    x ^= x >> 15;
    x *= 0x735A2D97u;
    return x ^ (x >> 15);
}

/* What all draws of a step begin with. */
static inline uint32_t tfoa_word_of_step(const tfoa_slice *slice)
{
    return tfoa_mix(slice->integers->key + slice->step * 0x2C9277B5u);
}

/* A rate in quanta: a change is proportional to it. */
static inline float tfoa_rate_in_quanta(const tfoa_slice *slice, float rate)
{
    return rate / slice->integers->quantum;
}

/* The largest whole number not above x; what is beyond all that a weight can move is brought near, and so is what is no number,
 * which the loss tells of. */
static inline int32_t tfoa_floor_near(float x)
{
    const float limited = !(x > -65536.0f) ? -65536.0f : (x > 65536.0f ? 65536.0f : x);
    const int32_t whole = (int32_t)limited;
    return whole - ((float)whole > limited);
}

/* q <- clip(q + floor(u - change)), the change in quanta; no change moves nothing, whatever u is. */
static inline void tfoa_move_integer(const tfoa_slice *slice, uint32_t word, int32_t place, float change)
{
    if (change == 0.0f) {
        return;
    }
    const uint32_t bits = slice->integers->bits;
    const int32_t most = (1 << (bits - 1u)) - 1;
    const float u = (float)(int32_t)(tfoa_mix(word + (uint32_t)place * 0x5BD1E995u) >> 8) * (1.0f / 16777216.0f);
    const int32_t moved = tfoa_integer_at(slice->latent, bits, (uint32_t)place) + tfoa_floor_near(u - change);
    const int32_t limited = moved > most ? most : (moved < -most ? -most : moved);
    tfoa_set_integer(slice->latent, bits, (uint32_t)place, limited);
}

/* Bits and sum of output `out` follow its weights. */
static inline void tfoa_follow_integer_signs(const tfoa_slice *slice, int32_t out)
{
    if (slice->bits != 0) {
        uint32_t *bits = slice->bits + out * TFOA_WORDS(slice->ins);
        const uint32_t first = (uint32_t)(out * slice->ins);
        slice->sums[out] = slice->integers->pack(slice->integers, slice->latent, first, slice->ins, bits);
    }
}

#endif
