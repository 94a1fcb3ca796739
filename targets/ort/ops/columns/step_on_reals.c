/* The gradient of real inputs, four inputs and a block of outputs at a time: their sums stay in registers. */
#include "columns.h"
#include "lanes.h"

enum { TILE = 4 };

typedef struct tile_sums {
    tfoa_f8 low[TILE], high[TILE];
} tile_sums;

static void add_products(const tfoa_columns_step *step, int32_t in, int32_t first, tile_sums *sums)
{
    for (int32_t row = 0; row < step->rows; row++) {
        const float *errors = step->errors + (int64_t)row * step->error_stride + first;
        const float *x = step->x + (int64_t)row * step->x_stride + in;
        const tfoa_f8 low = tfoa_load8(errors), high = tfoa_load8(errors + TFOA_LANES);
        for (int32_t i = 0; i < TILE; i++) {
            const tfoa_f8 number = tfoa_splat(x[i]);
            sums->low[i] += number * low;
            sums->high[i] += number * high;
        }
    }
}

/* Weights that fill no tile, one by one. */
static void step_on_rest(const tfoa_columns_step *step, int32_t in, int32_t first, int32_t count)
{
    const int64_t place = (int64_t)in * step->outs + first;
    for (int32_t out = 0; out < count; out++) {
        float sum = 0.0f;
        for (int32_t row = 0; row < step->rows; row++) {
            const int64_t at = (int64_t)row * step->error_stride + first + out;
            sum += step->x[(int64_t)row * step->x_stride + in] * step->errors[at];
        }
        const float value = (step->w != 0 ? step->w[place + out] : 0.0f) + sum * step->factor;
        step->w_next[place + out] = value > step->limit ? step->limit : (value < -step->limit ? -step->limit : value);
    }
}

static void finish(const tfoa_columns_step *step, int32_t in, int32_t first, const tile_sums *sums)
{
    const tfoa_f8 factor = tfoa_splat(step->factor), zero = tfoa_splat(0.0f);
    for (int32_t i = 0; i < TILE; i++) {
        const int64_t place = (int64_t)(in + i) * step->outs + first;
        const tfoa_f8 low = step->w != 0 ? tfoa_load8(step->w + place) : zero;
        const tfoa_f8 high = step->w != 0 ? tfoa_load8(step->w + place + TFOA_LANES) : zero;
        tfoa_store8(step->w_next + place, tfoa_clip(low + sums->low[i] * factor, step->limit));
        tfoa_store8(step->w_next + place + TFOA_LANES, tfoa_clip(high + sums->high[i] * factor, step->limit));
    }
}

void tfoa_step_on_reals(const tfoa_columns_step *step, int32_t first)
{
    const int32_t left = step->outs - first, count = left < TFOA_BLOCK ? left : TFOA_BLOCK;
    int32_t in = 0;
    for (; count == TFOA_BLOCK && in + TILE <= step->ins; in += TILE) {
        tile_sums sums = {{{0.0f}}, {{0.0f}}};
        add_products(step, in, first, &sums);
        finish(step, in, first, &sums);
    }
    for (; in < step->ins; in++) {
        step_on_rest(step, in, first, count);
    }
}
