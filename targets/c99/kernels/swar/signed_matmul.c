/* Integers against signs, five or six at a time: k numbers have 2^k sums, one for each way to choose their signs. A table
 * of them is made once for all outputs, and then k bits of a row of w are one look-up ("the method of four Russians";
 * Arlazarov et al., 1970).
 *
 * The tables of 16 numbers, half a word of w, take 512 bytes of stack. They pay from about 30 outputs on. */
#include <stddef.h>

#include "../packed.h"

/* A function that gets the addresses of tables as arguments keeps them in registers; part of its caller, it would compute
 * them anew for each look-up, since they are places in the stack. */
#if defined(__GNUC__)
#define OUT_OF_LINE __attribute__((noinline))
#else
#define OUT_OF_LINE
#endif

enum { HALF_WORD = 16, FIRST_BITS = 6, SECOND_BITS = 5, THIRD_BITS = 5 };

typedef struct half_word_tables {
    int32_t first[1 << FIRST_BITS];
    int32_t second[1 << SECOND_BITS];
    int32_t third[1 << THIRD_BITS];
} half_word_tables;

/* sums[choice] = sum of `bits` >= 2 numbers, each negated where its bit of the choice is 0. */
static void make_table(const int16_t *q, int32_t bits, int32_t *sums)
{
    int32_t none = 0;
    for (int32_t i = 0; i < bits; i++) {
        none -= q[i];
    }
    sums[0] = none;
    sums[1] = none + 2 * q[0];
    sums[2] = none + 2 * q[1];
    sums[3] = sums[1] + 2 * q[1];
    for (int32_t i = 2; i < bits; i++) {
        const int32_t twice = 2 * q[i];
        const int32_t *end = sums + (1 << i);
        int32_t *with = sums + (1 << i);
        for (const int32_t *without = sums; without < end; without += 4, with += 4) {
            with[0] = without[0] + twice;
            with[1] = without[1] + twice;
            with[2] = without[2] + twice;
            with[3] = without[3] + twice;
        }
    }
}

/* Of up to 16 numbers: those beyond the end are zero, and then their signs are of no account. */
static void make_tables(const int16_t *q, int32_t count, half_word_tables *tables)
{
    int16_t numbers[HALF_WORD] = {0};
    for (int32_t i = 0; i < HALF_WORD && i < count; i++) {
        numbers[i] = q[i];
    }
    make_table(numbers, FIRST_BITS, tables->first);
    make_table(numbers + FIRST_BITS, SECOND_BITS, tables->second);
    make_table(numbers + FIRST_BITS + SECOND_BITS, THIRD_BITS, tables->third);
}

static inline uint32_t field(uint32_t word, int first, int bits)
{
    return (word >> first) & ((1u << bits) - 1u);
}

/* Adds the sums of 16 numbers to those of all outputs. Their signs are the upper half of the words of w, moved up by `up`
 * bits. */
OUT_OF_LINE static void add_half_word(const int32_t *first, const int32_t *second, const int32_t *third,
                                      const tfoa_signed_shape *shape, const uint32_t *w, int up, int32_t *sums)
{
    const size_t stride = (size_t)shape->w_stride;
    const int32_t *end = sums + shape->outputs;
    do {
        const uint32_t word = *w << up;
        int32_t sum = first[field(word, HALF_WORD, FIRST_BITS)];
        sum += second[field(word, HALF_WORD + FIRST_BITS, SECOND_BITS)];
        *sums++ += sum + third[word >> (32 - THIRD_BITS)];
        w += stride;
    } while (sums < end);
}

static void multiply_row(const tfoa_signed_shape *shape, const int16_t *q, const uint32_t *w, int32_t *sums)
{
    for (int32_t output = 0; output < shape->outputs; output++) {
        sums[output] = 0;
    }
    for (int32_t i = 0; i < shape->inputs; i += HALF_WORD) {
        half_word_tables tables;
        make_tables(q + i, shape->inputs - i, &tables);
        add_half_word(tables.first, tables.second, tables.third, shape, w + i / 32, i % 32 == 0 ? HALF_WORD : 0, sums);
    }
}

void tfoa_signed_matmul(const tfoa_signed_shape *shape, const int16_t *q, const uint32_t *w, int32_t *sums)
{
    for (int32_t row = 0; row < shape->batch; row++) {
        multiply_row(shape, q, w, sums);
        q += shape->q_stride;
        sums += shape->outputs;
    }
}
