/* The gradient of bits is a sum of errors: those of the samples whose bit is one. The errors of four samples have 16 sums, which are
 * added up once (the Four Russians' method), so that each weight takes a quarter of the additions. */
#include "columns.h"
#include "lanes.h"

enum { TABLE_GROUPS = 32 /* 32 KiB of sums: what the first cache holds */ };

typedef struct block_sums {
    tfoa_f8 low, high;
} block_sums;

static block_sums load_errors(const tfoa_columns_step *step, int32_t row, int32_t first, int32_t count)
{
    const float *errors = step->errors + (int64_t)row * step->error_stride + first;
    const tfoa_f8 factor = tfoa_splat(step->factor);
    block_sums sums;
    sums.low = tfoa_load_some(errors, count < TFOA_LANES ? count : TFOA_LANES) * factor;
    sums.high = count > TFOA_LANES ? tfoa_load_some(errors + TFOA_LANES, count - TFOA_LANES) * factor : tfoa_splat(0.0f);
    return sums;
}

/* The sums of all subsets of each group's errors; returns the sum of all errors. */
static block_sums fill_table(const tfoa_columns_step *step, int32_t first_row, int32_t rows, int32_t first, block_sums (*table)[16])
{
    const int32_t left = step->outs - first, count = left < TFOA_BLOCK ? left : TFOA_BLOCK;
    const block_sums zero = {tfoa_splat(0.0f), tfoa_splat(0.0f)};
    block_sums total = zero;
    for (int32_t group = 0; group < TFOA_GROUPS(rows); group++) {
        block_sums *sums = table[group];
        sums[0] = zero;
        for (int32_t k = 0; k < TFOA_GROUP; k++) {
            const int32_t row = group * TFOA_GROUP + k;
            const block_sums errors = row < rows ? load_errors(step, first_row + row, first, count) : zero;
            for (int32_t subset = 0; subset < 1 << k; subset++) {
                sums[(1 << k) + subset].low = sums[subset].low + errors.low;
                sums[(1 << k) + subset].high = sums[subset].high + errors.high;
            }
        }
        total.low += sums[15].low;
        total.high += sums[15].high;
    }
    return total;
}

/* The weights of one input in a block: moved, and clipped where all samples are in. */
static void move(const tfoa_columns_step *step, int32_t in, int32_t first, block_sums by, int is_first, int is_last)
{
    const int64_t place = (int64_t)in * step->outs + first;
    const float *from = is_first ? step->w : step->w_next;
    float *to = step->w_next + place;
    const int32_t left = step->outs - first;
    if (left >= TFOA_BLOCK) {
        if (from != 0) {
            by.low += tfoa_load8(from + place);
            by.high += tfoa_load8(from + place + TFOA_LANES);
        }
        tfoa_store8(to, is_last ? tfoa_clip(by.low, step->limit) : by.low);
        tfoa_store8(to + TFOA_LANES, is_last ? tfoa_clip(by.high, step->limit) : by.high);
        return;
    }
    for (int32_t i = 0; i < left; i++) {
        float value = (i < TFOA_LANES ? by.low[i] : by.high[i - TFOA_LANES]) + (from != 0 ? from[place + i] : 0.0f);
        if (is_last) {
            value = value > step->limit ? step->limit : (value < -step->limit ? -step->limit : value);
        }
        to[i] = value;
    }
}

void tfoa_step_on_bits(const tfoa_columns_step *step, int32_t first)
{
    block_sums table[TABLE_GROUPS][16];
    const int32_t all_groups = TFOA_GROUPS(step->rows);
    for (int32_t done = 0; done < all_groups; done += TABLE_GROUPS) {
        const int32_t first_row = done * TFOA_GROUP, rows_left = step->rows - first_row;
        const int32_t rows = rows_left < TABLE_GROUPS * TFOA_GROUP ? rows_left : TABLE_GROUPS * TFOA_GROUP;
        const int32_t groups = TFOA_GROUPS(rows);
        const block_sums total = fill_table(step, first_row, rows, first, table);
        const tfoa_f8 center = tfoa_splat(-step->center);
        for (int32_t in = 0; in < step->ins; in++) {
            const uint32_t *turned = step->turned + (int64_t)(in / 8) * all_groups + done;
            const int32_t shift = 4 * (in % 8);
            block_sums sums = {total.low * center, total.high * center};
            for (int32_t group = 0; group < groups; group++) {
                const block_sums *sum = &table[group][(turned[group] >> shift) & 15u];
                sums.low += sum->low;
                sums.high += sum->high;
            }
            move(step, in, first, sums, done == 0, done + groups == all_groups);
        }
    }
}
