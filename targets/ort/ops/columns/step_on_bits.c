/* The gradient of bits is a sum of errors: those of the samples whose bit is one. The errors of four samples have 16 sums, which
 * are added up once (the Four Russians' method), so that each weight takes a quarter of the additions. */
#include "moved_weights.h"

enum {
    TABLE_GROUPS = TFOA_PASS_ROWS / TFOA_GROUP, /* 32 KiB of sums: what the first cache holds */
    TILE = 4                                    /* inputs whose sums are added up side by side */
};

typedef tfoa_pair table_row[16];

/* The sums of all subsets of each group's errors; returns the sum of all errors times minus the center. */
static tfoa_pair fill_table(const tfoa_columns_step *step, const tfoa_pass *pass, int32_t first, int32_t count, table_row *table)
{
    const tfoa_pair zero = {tfoa_splat(0.0f), tfoa_splat(0.0f)};
    const tfoa_f8 center = tfoa_splat(-step->center);
    tfoa_pair total = zero;
    for (int32_t group = 0; group < TFOA_GROUPS(pass->rows); group++) {
        tfoa_pair *sums = table[group];
        sums[0] = zero;
        for (int32_t k = 0; k < TFOA_GROUP; k++) {
            const int32_t row = group * TFOA_GROUP + k;
            const tfoa_pair errors = row < pass->rows ? tfoa_load_errors(step, pass->first_row + row, first, count) : zero;
            for (int32_t subset = 0; subset < 1 << k; subset++) {
                sums[(1 << k) + subset].low = sums[subset].low + errors.low;
                sums[(1 << k) + subset].high = sums[subset].high + errors.high;
            }
        }
        total.low += sums[15].low;
        total.high += sums[15].high;
    }
    total.low *= center;
    total.high *= center;
    return total;
}

/* The sums of TILE inputs, the bits of which begin at `shift` in the words of `turned`. */
static inline void add_up(table_row *table, const uint32_t *turned, int32_t groups, int32_t shift, tfoa_pair start,
                          tfoa_pair *sums)
{
    tfoa_pair a = start, b = start, c = start, d = start;
    for (int32_t group = 0; group < groups; group++) {
        const uint32_t bits = turned[group] >> shift;
        const tfoa_pair *row = table[group];
        const tfoa_pair *of_a = row + (bits & 15u), *of_b = row + (bits >> 4 & 15u);
        const tfoa_pair *of_c = row + (bits >> 8 & 15u), *of_d = row + (bits >> 12 & 15u);
        a.low += of_a->low;
        a.high += of_a->high;
        b.low += of_b->low;
        b.high += of_b->high;
        c.low += of_c->low;
        c.high += of_c->high;
        d.low += of_d->low;
        d.high += of_d->high;
    }
    sums[0] = a;
    sums[1] = b;
    sums[2] = c;
    sums[3] = d;
}

static inline void step_block(const tfoa_columns_step *step, int32_t first, int32_t count)
{
    table_row table[TABLE_GROUPS];
    tfoa_block_signs signs = tfoa_no_signs();
    const int32_t all_groups = TFOA_GROUPS(step->rows);
    for (int32_t row = 0; row < step->rows; row += TFOA_PASS_ROWS) {
        const tfoa_pass pass = tfoa_pass_at(step, row, TFOA_PASS_ROWS);
        const tfoa_pair start = fill_table(step, &pass, first, count, table);
        for (int32_t in = 0; in < step->ins; in += TILE) {
            const uint32_t *turned = step->turned + (int64_t)(in / 8) * all_groups + row / TFOA_GROUP;
            tfoa_pair sums[TILE];
            for (int32_t i = 0; i < TILE; i++) { /* the next block's weights, which lie behind these */
                __builtin_prefetch(step->w_next + (int64_t)(in + i) * step->outs + first + TFOA_BLOCK, 1, 2);
            }
            add_up(table, turned, TFOA_GROUPS(pass.rows), 4 * (in % 8), start, sums);
            for (int32_t i = 0; i < TILE && in + i < step->ins; i++) {
                tfoa_move(step, pass.from, in + i, first, count, sums[i], pass.is_last, &signs);
            }
        }
    }
    tfoa_store_sums(step, first, count, &signs);
}

void tfoa_step_on_bits(const tfoa_columns_step *step, int32_t first)
{
    if (step->outs - first >= TFOA_BLOCK) {
        step_block(step, first, TFOA_BLOCK);
    } else {
        step_block(step, first, step->outs - first);
    }
}
