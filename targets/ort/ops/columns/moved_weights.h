/* What all steps do with the weights of an input in a block of 16 outputs: move and clip them, keep them, and follow with signs
 * and sums. */
#ifndef TFOA_MOVED_WEIGHTS_H
#define TFOA_MOVED_WEIGHTS_H

#include "columns.h"
#include "lanes.h"

/* Numbers of a block. */
typedef struct tfoa_pair {
    tfoa_f8 low, high;
} tfoa_pair;

/* Signs of up to 32 inputs of a block, and over all inputs sums of |w| and of the squares of the gradient. */
typedef struct tfoa_block_signs {
    tfoa_u8 low, high;
    tfoa_pair sums;
    tfoa_f8 squares;
} tfoa_block_signs;

static inline tfoa_pair tfoa_load_pair(const float *from, int32_t count)
{
    tfoa_pair pair;
    if (count >= TFOA_BLOCK) {
        pair.low = tfoa_load8(from);
        pair.high = tfoa_load8(from + TFOA_LANES);
    } else {
        pair.low = tfoa_load_some(from, count < TFOA_LANES ? count : TFOA_LANES);
        pair.high = count > TFOA_LANES ? tfoa_load_some(from + TFOA_LANES, count - TFOA_LANES) : tfoa_splat(0.0f);
    }
    return pair;
}

static inline void tfoa_store_pair(float *to, tfoa_pair pair, int32_t count)
{
    if (count >= TFOA_BLOCK) {
        tfoa_store8(to, pair.low);
        tfoa_store8(to + TFOA_LANES, pair.high);
    } else {
        tfoa_store_some(to, pair.low, count < TFOA_LANES ? count : TFOA_LANES);
        if (count > TFOA_LANES) {
            tfoa_store_some(to + TFOA_LANES, pair.high, count - TFOA_LANES);
        }
    }
}

/* Write the words of `count` outputs that end with input `in`, and begin new ones. */
static inline void tfoa_write_words(const tfoa_columns_step *step, int32_t in, int32_t first, int32_t count,
                                    tfoa_block_signs *signs)
{
    const int32_t row_words = (step->ins + 31) / 32;
    uint32_t words[TFOA_BLOCK];
    memcpy(words, &signs->low, sizeof signs->low);
    memcpy(words + TFOA_LANES, &signs->high, sizeof signs->high);
    for (int32_t out = 0; out < count; out++) {
        step->bits[(int64_t)(first + out) * row_words + in / 32] = words[out];
    }
    signs->low = signs->high = tfoa_splat_word(0u);
}

/* Take a sample's part of a step: `from` holds what the weights were before. Where it is the last part, they are clipped and
 * signed. */
static inline void tfoa_move(const tfoa_columns_step *step, const float *from, int32_t in, int32_t first, int32_t count,
                             tfoa_pair by, int is_last, tfoa_block_signs *signs)
{
    const int64_t place = (int64_t)in * step->outs + first;
    const tfoa_f8 zero = tfoa_splat(0.0f), limit = tfoa_splat(step->limit);
    if (step->squares != 0) {
        const tfoa_f8 share = tfoa_splat(step->share), longest = tfoa_splat(step->longest);
        signs->squares += by.low * by.low + by.high * by.high;
        by.low = tfoa_clip(by.low * share, longest);
        by.high = tfoa_clip(by.high * share, longest);
    }
    if (from != 0) {
        const tfoa_pair old = tfoa_load_pair(from + place, count);
        by.low += old.low;
        by.high += old.high;
    }
    if (is_last) {
        by.low = tfoa_clip(by.low, limit);
        by.high = tfoa_clip(by.high, limit);
    }
    tfoa_store_pair(step->w_next + place, by, count);
    if (is_last && step->bits != 0) {
        const tfoa_u8 bit = tfoa_splat_word(1u << (in % 32));
        signs->low |= (tfoa_u8)(by.low >= zero) & bit;
        signs->high |= (tfoa_u8)(by.high >= zero) & bit;
        signs->sums.low += tfoa_magnitude(by.low);
        signs->sums.high += tfoa_magnitude(by.high);
        if (in % 32 == 31 || in + 1 == step->ins) {
            tfoa_write_words(step, in, first, count, signs);
        }
    }
}

static inline tfoa_block_signs tfoa_no_signs(void)
{
    const tfoa_f8 zero = tfoa_splat(0.0f);
    const tfoa_block_signs signs = {tfoa_splat_word(0u), tfoa_splat_word(0u), {zero, zero}, zero};
    return signs;
}

/* Keep the sums of a block whose inputs have all been moved. */
static inline void tfoa_store_sums(const tfoa_columns_step *step, int32_t first, int32_t count, const tfoa_block_signs *signs)
{
    if (step->bits != 0) {
        tfoa_store_pair(step->abs_sums + first, signs->sums, count);
    }
    if (step->squares != 0) {
        step->squares[first / TFOA_BLOCK] = tfoa_add_lanes(signs->squares);
    }
}

/* The errors of a sample in a block, times the factor. */
static inline tfoa_pair tfoa_load_errors(const tfoa_columns_step *step, int32_t row, int32_t first, int32_t count)
{
    const tfoa_f8 factor = tfoa_splat(step->factor);
    tfoa_pair errors = tfoa_load_pair(step->errors + (int64_t)row * step->error_stride + first, count);
    errors.low *= factor;
    errors.high *= factor;
    return errors;
}

/* Samples of one pass, and whether it is the last. */
typedef struct tfoa_pass {
    int32_t first_row, rows;
    const float *from; /* what the weights were before: moved already where it is not the first pass */
    int is_last;
} tfoa_pass;

static inline tfoa_pass tfoa_pass_at(const tfoa_columns_step *step, int32_t first_row, int32_t most)
{
    const int32_t left = step->rows - first_row;
    const tfoa_pass pass = {first_row, left < most ? left : most, first_row == 0 ? step->w : step->w_next, left <= most};
    return pass;
}

#endif
