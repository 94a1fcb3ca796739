/* A step on one to four samples is a walk through the weights: two blocks of 16 outputs wide, 32 inputs at a time, so that what
 * is read next lies near, and signs and sums stay in registers. */
#include "moved_weights.h"

enum { INPUTS = 32, HALVES = TFOA_WIDE_BLOCK / TFOA_BLOCK };

/* What each of the 16 patterns of a group's bits moves weights by; of real inputs the errors of sample k are at 1 << k. */
typedef tfoa_pair moves[HALVES][1 << TFOA_GROUP];

static void fill_moves(const tfoa_columns_step *step, int32_t first, const int32_t *counts, moves table)
{
    const tfoa_pair zero = {tfoa_splat(0.0f), tfoa_splat(0.0f)};
    const tfoa_f8 center = tfoa_splat(step->turned != 0 ? step->center : 0.0f);
    for (int32_t half = 0; half < HALVES && counts[half] > 0; half++) {
        tfoa_pair *sums = table[half], total = zero;
        sums[0] = zero;
        for (int32_t k = 0; k < TFOA_GROUP; k++) {
            const int32_t at = first + half * TFOA_BLOCK;
            const tfoa_pair errors = k < step->rows ? tfoa_load_errors(step, k, at, counts[half]) : zero;
            for (int32_t subset = 0; subset < 1 << k; subset++) {
                sums[(1 << k) + subset].low = sums[subset].low + errors.low;
                sums[(1 << k) + subset].high = sums[subset].high + errors.high;
            }
        }
        total = sums[(1 << TFOA_GROUP) - 1];
        for (int32_t subset = 0; subset < 1 << TFOA_GROUP; subset++) {
            sums[subset].low -= center * total.low;
            sums[subset].high -= center * total.high;
        }
    }
}

static inline tfoa_pair move_of_reals(const tfoa_columns_step *step, const tfoa_pair *errors, int32_t in)
{
    const float *x = step->turned_reals + (int64_t)(in / 4 * 4) * step->rows + in % 4;
    tfoa_f8 number = tfoa_splat(*x);
    tfoa_pair by = {number * errors[1].low, number * errors[1].high};
    for (int32_t k = 1; k < step->rows; k++) {
        number = tfoa_splat(x[4 * k]);
        by.low += number * errors[1 << k].low;
        by.high += number * errors[1 << k].high;
    }
    return by;
}

static inline void walk(const tfoa_columns_step *step, int32_t first_in, int32_t first, int32_t count, const tfoa_pair *table,
                        tfoa_block_signs *signs)
{
    const int32_t end = step->ins - first_in < INPUTS ? step->ins : first_in + INPUTS;
    tfoa_block_signs found = *signs;
    for (int32_t in = first_in; in < end; in++) {
        tfoa_pair by;
        if (step->turned != 0) {
            by = table[(step->turned[in / 8] >> (4 * (in % 8))) & 15u];
        } else {
            by = move_of_reals(step, table, in);
        }
        __builtin_prefetch(step->w_next + (int64_t)(in + INPUTS) * step->outs + first, 1, 3);
        tfoa_move(step, step->w, in, first, count, by, 1, &found);
    }
    *signs = found;
}

void tfoa_step_on_few(const tfoa_columns_step *step, int32_t first)
{
    const int32_t left = step->outs - first;
    const int32_t counts[HALVES] = {left < TFOA_BLOCK ? left : TFOA_BLOCK,
                                    left < TFOA_WIDE_BLOCK ? left - TFOA_BLOCK : TFOA_BLOCK};
    tfoa_block_signs signs[HALVES] = {tfoa_no_signs(), tfoa_no_signs()};
    moves table;
    fill_moves(step, first, counts, table);
    for (int32_t in = 0; in < step->ins; in += INPUTS) {
        for (int32_t half = 0; half < HALVES && counts[half] > 0; half++) {
            const int32_t at = first + half * TFOA_BLOCK;
            if (counts[half] == TFOA_BLOCK) {
                walk(step, in, at, TFOA_BLOCK, table[half], &signs[half]);
            } else {
                walk(step, in, at, counts[half], table[half], &signs[half]);
            }
        }
    }
    for (int32_t half = 0; half < HALVES && counts[half] > 0; half++) {
        tfoa_store_sums(step, first + half * TFOA_BLOCK, counts[half], &signs[half]);
    }
}
