/* What the updates of whole numbers share: changes of a row, a run of weights at a time. */
#ifndef TFOA_INTEGER_WEIGHTS_H
#define TFOA_INTEGER_WEIGHTS_H

#include "../rounding.h"
#include "weight_steps.h"

/* What all draws of a step begin with. */
static inline uint32_t tfoa_word_of(const tfoa_slice *slice)
{
    return tfoa_word_of_step(slice->integers->key, slice->step);
}

/* A rate in quanta: a change is proportional to it. */
static inline float tfoa_rate_in_quanta(const tfoa_slice *slice, float rate)
{
    return rate / slice->integers->quantum;
}

/* Move a run of output `out` from input `in` on. */
static inline void tfoa_move_run(const tfoa_slice *slice, uint32_t word, int32_t out, int32_t in, const float *changes)
{
    const uint32_t place = (uint32_t)(out * slice->ins + in);
    slice->integers->move(slice->integers, word, slice->latent, place, tfoa_run_of(slice->ins - in), changes);
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
