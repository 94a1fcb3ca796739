/* Counting ones on processors that have no instruction for it: eight words are first added up, bit by bit, with carry-save adders
 * (Harley and Seal; Warren, Hacker's Delight, 2nd edition, section 5-1), so that one word in eight has its ones counted. */
#include "../kernels.h"

/* Sums of three bits at each of 32 places: sum + 2 * carry. */
typedef struct bit_sums {
    uint32_t sum;
    uint32_t carry;
} bit_sums;

static inline bit_sums add_bits(uint32_t a, uint32_t b, uint32_t c)
{
    const uint32_t half = a ^ b;
    const bit_sums sums = {half ^ c, (a & b) | (half & c)};
    return sums;
}

static inline uint32_t count_ones(uint32_t word)
{
    word -= (word >> 1) & 0x55555555u;
    word = (word & 0x33333333u) + ((word >> 2) & 0x33333333u);
    word = (word + (word >> 4)) & 0x0F0F0F0Fu;
    return (word * 0x01010101u) >> 24;
}

/* Ones at each of 32 places, not counted yet: ones + 2 twos + 4 fours. */
typedef struct bit_columns {
    uint32_t ones;
    uint32_t twos;
    uint32_t fours;
} bit_columns;

/* Adds four words to the columns; returns what is carried out of the fours, each worth 8. */
static inline uint32_t add_words(bit_columns *columns, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    const bit_sums first = add_bits(columns->ones, a, b);
    const bit_sums second = add_bits(first.sum, c, d);
    const bit_sums twos = add_bits(columns->twos, first.carry, second.carry);
    const uint32_t eights = columns->fours & twos.carry;
    columns->ones = second.sum;
    columns->twos = twos.sum;
    columns->fours ^= twos.carry;
    return eights;
}

static inline uint32_t count_columns(const bit_columns *columns)
{
    return 4u * count_ones(columns->fours) + 2u * count_ones(columns->twos) + count_ones(columns->ones);
}

int32_t tfoa_packed_dot(const uint32_t *x, const uint32_t *w, int32_t num_words)
{
    bit_columns columns = {0u, 0u, 0u};
    uint32_t eights = 0u;
    for (; num_words >= 8; num_words -= 8, x += 8, w += 8) {
        uint32_t carried = add_words(&columns, x[0] & w[0], x[1] & w[1], x[2] & w[2], x[3] & w[3]);
        carried |= add_words(&columns, x[4] & w[4], x[5] & w[5], x[6] & w[6], x[7] & w[7]);
        eights += count_ones(carried);
    }
    uint32_t ones = 8u * eights + count_columns(&columns);
    for (int32_t i = 0; i < num_words; i++) {
        ones += count_ones(x[i] & w[i]);
    }
    return (int32_t)ones;
}

int32_t tfoa_packed_count(const uint32_t *x, int32_t num_words)
{
    return tfoa_packed_dot(x, x, num_words);
}
