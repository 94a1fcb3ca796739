/* Whole numbers as real ones, moved, and their signs as bits. */
#include "../kernels.h"
#include "../rounding.h"

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

/* Both weights of three bytes from `first` on. */
static inline void split_twelve(const uint8_t *bytes, uint32_t first, int32_t *pair)
{
    const uint32_t middle = bytes[TFOA_FLIPPED(first + 1u, 4u)];
    const uint32_t low = bytes[TFOA_FLIPPED(first, 4u)] | (middle & 0xFu) << 8;
    const uint32_t high = middle >> 4 | (uint32_t)bytes[TFOA_FLIPPED(first + 2u, 4u)] << 4;
    pair[0] = (int32_t)(low ^ 0x800u) - 0x800;
    pair[1] = (int32_t)(high ^ 0x800u) - 0x800;
}

static inline void join_twelve(uint8_t *bytes, uint32_t first, const int32_t *pair)
{
    const uint32_t low = (uint32_t)pair[0] & 0xFFFu, high = (uint32_t)pair[1] & 0xFFFu;
    bytes[TFOA_FLIPPED(first, 4u)] = (uint8_t)low;
    bytes[TFOA_FLIPPED(first + 1u, 4u)] = (uint8_t)(low >> 8 | high << 4);
    bytes[TFOA_FLIPPED(first + 2u, 4u)] = (uint8_t)(high >> 4);
}

void tfoa_read_weights(const tfoa_integers *integers, const void *q, uint32_t place, uint32_t count, float *reals)
{
    const float quantum = integers->quantum;
    if (integers->bits == 8u) {
        for (uint32_t i = 0; i < count; i++) {
            reals[i] = (float)tfoa_integer_at(q, 8u, place + i) * quantum;
        }
    } else if (integers->bits == 16u) {
        for (uint32_t i = 0; i < count; i++) {
            reals[i] = (float)tfoa_integer_at(q, 16u, place + i) * quantum;
        }
    } else {
        uint32_t i = 0;
        if ((place & 1u) != 0u && count > 0u) {
            reals[i++] = (float)tfoa_integer_at(q, 12u, place) * quantum;
        }
        for (; i + 1u < count; i += 2u) {
            int32_t pair[2];
            split_twelve((const uint8_t *)q, tfoa_byte_of_twelve(place + i), pair);
            reals[i] = (float)pair[0] * quantum;
            reals[i + 1u] = (float)pair[1] * quantum;
        }
        if (i < count) {
            reals[i] = (float)tfoa_integer_at(q, 12u, place + i) * quantum;
        }
    }
}

/* Each format has a loop of its own, with no branch in it. */
static inline void move_bytes(int8_t *restrict q, int32_t count, const int32_t *restrict moves)
{
    for (int32_t i = 0; i < count; i++) {
        q[i] = (int8_t)tfoa_clipped(q[i] + moves[i], 127);
    }
}

static inline void move_halves(int16_t *restrict q, int32_t count, const int32_t *restrict moves)
{
    for (int32_t i = 0; i < count; i++) {
        q[i] = (int16_t)tfoa_clipped(q[i] + moves[i], 32767);
    }
}

static inline void move_one_by_one(void *q, uint32_t bits, uint32_t place, int32_t count, const int32_t *moves)
{
    const int32_t most = (1 << (bits - 1u)) - 1;
    for (int32_t i = 0; i < count; i++) {
        const int32_t moved = tfoa_integer_at(q, bits, place + (uint32_t)i) + moves[i];
        tfoa_set_integer(q, bits, place + (uint32_t)i, tfoa_clipped(moved, most));
    }
}

static inline void move_twelves(uint8_t *bytes, uint32_t place, int32_t count, const int32_t *moves)
{
    int32_t i = (int32_t)(place & 1u);
    move_one_by_one(bytes, 12u, place, i, moves);
    for (; i + 1 < count; i += 2) {
        int32_t pair[2];
        const uint32_t first = tfoa_byte_of_twelve(place + (uint32_t)i);
        split_twelve(bytes, first, pair);
        pair[0] = tfoa_clipped(pair[0] + moves[i], 2047);
        pair[1] = tfoa_clipped(pair[1] + moves[i + 1], 2047);
        join_twelve(bytes, first, pair);
    }
    move_one_by_one(bytes, 12u, place + (uint32_t)i, count - i, moves + i);
}

static inline void move_run(uint32_t bits, uint32_t word, void *q, uint32_t place, int32_t count, const float *changes)
{
    int32_t moves[TFOA_RUN];
    tfoa_round_changes(word, place, 1u, count, changes, moves);
    if (bits == 12u) {
        move_twelves((uint8_t *)q, place, count, moves);
    } else if (TFOA_FLIPPED(0u, 2u) != 0u) {
        move_one_by_one(q, bits, place, count, moves);
    } else if (bits == 8u) {
        move_bytes((int8_t *)q + place, count, moves);
    } else {
        move_halves((int16_t *)q + place, count, moves);
    }
}

void tfoa_move_weights(const tfoa_integers *integers, uint32_t word, void *q, uint32_t place, int32_t count, const float *changes)
{
    if (TFOA_HAS_VECTORS && count == TFOA_RUN) { /* a count that compilers know */
        move_run(integers->bits, word, q, place, TFOA_RUN, changes);
    } else {
        move_run(integers->bits, word, q, place, count, changes);
    }
}

/* Signs of up to 32 weights; their magnitudes are added to the sum. */
static inline uint32_t pack_word(const void *q, uint32_t bits, uint32_t place, int32_t count, int32_t *sum)
{
    uint32_t word = 0;
    for (int32_t i = 0; i < count; i++) {
        const int32_t weight = tfoa_integer_at(q, bits, place + (uint32_t)i);
        *sum += weight < 0 ? -weight : weight;
        word |= (uint32_t)(weight >= 0) << i;
    }
    return word;
}

float tfoa_pack_weights(const tfoa_integers *integers, const void *q, uint32_t place, int32_t ins, uint32_t *bits)
{
    int32_t sum = 0;
    for (int32_t first = 0; first < ins; first += 32) {
        const int32_t count = ins - first < 32 ? ins - first : 32;
        const uint32_t from = place + (uint32_t)first;
        if (integers->bits == 8u) {
            *bits++ = pack_word(q, 8u, from, count, &sum);
        } else if (integers->bits == 16u) {
            *bits++ = pack_word(q, 16u, from, count, &sum);
        } else {
            *bits++ = pack_word(q, 12u, from, count, &sum);
        }
    }
    return (float)sum * integers->quantum;
}
