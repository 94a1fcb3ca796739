/* The gradient of real inputs, four inputs and a block of outputs at a time: their sums stay in registers. */
#include "moved_weights.h"

enum { TILE = 4 };

/* The sums of TILE inputs, whose numbers of a sample lie side by side. */
static inline void add_up(const tfoa_pair *errors, const float *x, int32_t rows, tfoa_pair *sums)
{
    const tfoa_pair zero = {tfoa_splat(0.0f), tfoa_splat(0.0f)};
    tfoa_pair a = zero, b = zero, c = zero, d = zero;
    for (int32_t row = 0; row < rows; row++, x += TILE) {
        const tfoa_f8 low = errors[row].low, high = errors[row].high;
        const tfoa_f8 xa = tfoa_splat(x[0]), xb = tfoa_splat(x[1]), xc = tfoa_splat(x[2]), xd = tfoa_splat(x[3]);
        a.low += xa * low;
        a.high += xa * high;
        b.low += xb * low;
        b.high += xb * high;
        c.low += xc * low;
        c.high += xc * high;
        d.low += xd * low;
        d.high += xd * high;
    }
    sums[0] = a;
    sums[1] = b;
    sums[2] = c;
    sums[3] = d;
}

static inline void step_block(const tfoa_columns_step *step, int32_t first, int32_t count)
{
    tfoa_pair errors[TFOA_PASS_ROWS];
    tfoa_block_signs signs = tfoa_no_signs();
    for (int32_t row = 0; row < step->rows; row += TFOA_PASS_ROWS) {
        const tfoa_pass pass = tfoa_pass_at(step, row, TFOA_PASS_ROWS);
        for (int32_t i = 0; i < pass.rows; i++) {
            errors[i] = tfoa_load_errors(step, row + i, first, count);
        }
        for (int32_t in = 0; in < step->ins; in += TILE) {
            tfoa_pair sums[TILE];
            for (int32_t i = 0; i < TILE; i++) { /* the next block's weights, which lie behind these */
                __builtin_prefetch(step->w_next + (int64_t)(in + i) * step->outs + first + TFOA_BLOCK, 1, 2);
            }
            add_up(errors, step->turned_reals + (int64_t)in * step->rows + (int64_t)row * TILE, pass.rows, sums);
            for (int32_t i = 0; i < TILE && in + i < step->ins; i++) {
                tfoa_move(step, pass.from, in + i, first, count, sums[i], pass.is_last, &signs);
            }
        }
    }
    tfoa_store_sums(step, first, count, &signs);
}

void tfoa_step_on_reals(const tfoa_columns_step *step, int32_t first)
{
    if (step->outs - first >= TFOA_BLOCK) {
        step_block(step, first, TFOA_BLOCK);
    } else {
        step_block(step, first, step->outs - first);
    }
}
