/* Whole numbers as real ones, and their signs as bits. */
#include "integer_weights.h"

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
        for (uint32_t i = 0; i < count; i++) {
            reals[i] = (float)tfoa_integer_at(q, 12u, place + i) * quantum;
        }
    }
}

float tfoa_pack_weights(const tfoa_integers *integers, const void *q, uint32_t place, int32_t ins, uint32_t *bits)
{
    int32_t sum = 0;
    for (int32_t first = 0; first < ins; first += 32) {
        const int32_t count = ins - first < 32 ? ins - first : 32;
        uint32_t word = 0;
        for (int32_t i = 0; i < count; i++) {
            const int32_t weight = tfoa_integer_at(q, integers->bits, place + (uint32_t)(first + i));
            sum += weight < 0 ? -weight : weight;
            word |= (uint32_t)(weight >= 0) << i;
        }
        *bits++ = word;
    }
    return (float)sum * integers->quantum;
}
