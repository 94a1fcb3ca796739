/* Integers against signs, four at a time: four numbers have 16 sums, one for each way to choose their signs. A table of them is made
 * once for all outputs, and then four bits of a row of w are one look-up ("the method of four Russians"; Arlazarov et al., 1970).
 *
 * The tables of a word, 32 numbers, take 512 bytes of stack. */
#include <stddef.h>

#include "../packed.h"
#include "../sign_of_bit.h"

enum { GROUPS = 8, CHOICES = 16 };

/* sums[c] = q[0] + q[1] + q[2] + q[3], each negated where its bit of c is 0. */
static void make_table(const int16_t *q, int32_t *sums)
{
    sums[0] = -q[0] - q[1] - q[2] - q[3];
    for (int32_t i = 0; i < 4; i++) {
        for (int32_t choice = 0; choice < 1 << i; choice++) {
            sums[choice + (1 << i)] = sums[choice] + 2 * q[i];
        }
    }
}

static inline int32_t look_up(int32_t tables[GROUPS][CHOICES], uint32_t word)
{
    int32_t sum = tables[0][word & 15u] + tables[1][(word >> 4) & 15u] + tables[2][(word >> 8) & 15u];
    sum += tables[3][(word >> 12) & 15u] + tables[4][(word >> 16) & 15u] + tables[5][(word >> 20) & 15u];
    return sum + tables[6][(word >> 24) & 15u] + tables[7][word >> 28];
}

/* Adds the sums of 32 numbers to those of all outputs. */
static void add_word(const tfoa_signed_shape *shape, const int16_t *q, const uint32_t *w, int32_t *sums)
{
    int32_t tables[GROUPS][CHOICES];
    for (int32_t group = 0; group < GROUPS; group++) {
        make_table(q + 4 * group, tables[group]);
    }
    for (int32_t output = 0; output < shape->outputs; output++) {
        sums[output] += look_up(tables, *w);
        w += shape->w_stride;
    }
}

/* Sums of the numbers at the end that fill no word, which are what `sums` begins with. */
static void begin_with_rest(const tfoa_signed_shape *shape, const int16_t *q, const uint32_t *w, int32_t *sums)
{
    for (int32_t output = 0; output < shape->outputs; output++) {
        sums[output] = 0;
        for (int32_t i = shape->inputs / 32 * 32; i < shape->inputs; i++) {
            sums[output] += q[i] * tfoa_sign_of_bit(w, i);
        }
        w += shape->w_stride;
    }
}

void tfoa_signed_matmul(const tfoa_signed_shape *shape, const int16_t *q, const uint32_t *w, int32_t *sums)
{
    for (int32_t row = 0; row < shape->batch; row++) {
        const int16_t *q_row = q + (size_t)row * (size_t)shape->q_stride;
        begin_with_rest(shape, q_row, w, sums);
        for (int32_t word = 0; word < shape->inputs / 32; word++) {
            add_word(shape, q_row + 32 * word, w + word, sums);
        }
        sums += shape->outputs;
    }
}
