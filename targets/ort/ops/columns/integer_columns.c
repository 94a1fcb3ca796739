/* Weights that are whole numbers, in typed loops over short runs. */
#include "columns.h"
#include "rounding.h"

enum { RUN = 64 };

static inline void read_run(const tfoa_integer_columns *w, int64_t at, int32_t count, int32_t *restrict numbers)
{
    if (w->is_wide) {
        const int16_t *wide = (const int16_t *)w->q + at;
        for (int32_t i = 0; i < count; i++) {
            numbers[i] = wide[i];
        }
    } else {
        const int8_t *narrow = (const int8_t *)w->q + at;
        for (int32_t i = 0; i < count; i++) {
            numbers[i] = narrow[i];
        }
    }
}

static inline void move_run(const tfoa_integer_columns *w, int64_t at, int32_t in, int32_t out, int32_t count,
                            const float *changes)
{
    const uint32_t place = (uint32_t)out * (uint32_t)w->ins + (uint32_t)in;
    int32_t moves[RUN], numbers[RUN];
    tfoa_round_changes(w->word, place, (uint32_t)w->ins, count, changes, moves);
    read_run(w, at, count, numbers);
    for (int32_t i = 0; i < count; i++) {
        numbers[i] = tfoa_clipped(numbers[i] + moves[i], w->most);
    }
    if (w->is_wide) {
        int16_t *next = (int16_t *)w->q_next + at;
        for (int32_t i = 0; i < count; i++) {
            next[i] = (int16_t)numbers[i];
        }
    } else {
        int8_t *next = (int8_t *)w->q_next + at;
        for (int32_t i = 0; i < count; i++) {
            next[i] = (int8_t)numbers[i];
        }
    }
}

void tfoa_move_columns(const tfoa_integer_columns *w, int64_t first, int32_t count, const float *changes)
{
    int32_t in = (int32_t)(first / w->outs), out = (int32_t)(first % w->outs);
    for (int32_t done = 0; done < count;) {
        const int32_t left = count - done < w->outs - out ? count - done : w->outs - out;
        const int32_t run = left < RUN ? left : RUN;
        if (run == RUN) { /* counts that compilers know */
            move_run(w, first + done, in, out, RUN, changes + done);
        } else if (run == TFOA_WIDE_BLOCK) {
            move_run(w, first + done, in, out, TFOA_WIDE_BLOCK, changes + done);
        } else {
            move_run(w, first + done, in, out, run, changes + done);
        }
        done += run;
        out += run;
        if (out == w->outs) {
            out = 0;
            in++;
        }
    }
}

void tfoa_pack_integer_columns(const tfoa_integer_columns *w, float quantum, int32_t first, uint32_t *bits, float *abs_sums)
{
    const int32_t count = w->outs - first < RUN ? w->outs - first : RUN, row_words = (w->ins + 31) / 32;
    int32_t sums[RUN] = {0};
    uint32_t words[RUN] = {0};
    for (int32_t in = 0; in < w->ins; in++) {
        int32_t numbers[RUN];
        read_run(w, (int64_t)in * w->outs + first, count, numbers);
        for (int32_t i = 0; i < count; i++) {
            sums[i] += numbers[i] < 0 ? -numbers[i] : numbers[i];
            words[i] |= (uint32_t)(numbers[i] >= 0) << (in % 32);
        }
        for (int32_t i = 0; i < count && (in % 32 == 31 || in + 1 == w->ins); i++) {
            bits[(int64_t)(first + i) * row_words + in / 32] = words[i];
            words[i] = 0u;
        }
    }
    for (int32_t i = 0; i < count; i++) {
        abs_sums[first + i] = (float)sums[i] * quantum;
    }
}

void tfoa_read_integer_columns(const tfoa_integer_columns *w, float quantum, int64_t first, int64_t end, float *reals)
{
    if (w->is_wide) {
        for (int64_t i = first; i < end; i++) {
            reals[i] = (float)((const int16_t *)w->q)[i] * quantum;
        }
    } else {
        for (int64_t i = first; i < end; i++) {
            reals[i] = (float)((const int8_t *)w->q)[i] * quantum;
        }
    }
}
