/* Counting ones, 32 at a time: the reference for the faster variants of the same name. */
#include "../kernels.h"

/* Ones in a word, by sums of neighbouring fields (Hacker's Delight, chapter 5). */
static uint32_t count_ones(uint32_t word)
{
    word -= (word >> 1) & 0x55555555u;
    word = (word & 0x33333333u) + ((word >> 2) & 0x33333333u);
    word = (word + (word >> 4)) & 0x0F0F0F0Fu;
    return (word * 0x01010101u) >> 24;
}

int32_t tfoa_packed_dot(const uint32_t *x, const uint32_t *w, int32_t num_words)
{
    uint32_t ones = 0;
    for (int32_t i = 0; i < num_words; i++) {
        ones += count_ones(x[i] & w[i]);
    }
    return (int32_t)ones;
}

int32_t tfoa_packed_count(const uint32_t *x, int32_t num_words)
{
    uint32_t ones = 0;
    for (int32_t i = 0; i < num_words; i++) {
        ones += count_ones(x[i]);
    }
    return (int32_t)ones;
}
