/* Sums of 16-bit numbers with signs as bits: a bit becomes a factor of +1 or -1, without a branch, eight to a pass. */
#include "../kernels.h"
#include "../sign_of_bit.h"

/* -1 where the bit is 1, else +1: for processors that take a signed bit out of a word in one instruction. */
static inline int32_t factor(uint32_t negatives, int bit)
{
    return -(int32_t)((negatives >> bit) & 1u) | 1;
}

/* Eight numbers, whose signs are the lowest bits. */
static inline int32_t sum_of_eight(const int16_t *q, uint32_t negatives)
{
    int32_t sum = q[0] * factor(negatives, 0) + q[1] * factor(negatives, 1);
    sum += q[2] * factor(negatives, 2) + q[3] * factor(negatives, 3);
    sum += q[4] * factor(negatives, 4) + q[5] * factor(negatives, 5);
    return sum + q[6] * factor(negatives, 6) + q[7] * factor(negatives, 7);
}

int32_t tfoa_signed_sum(const int16_t *q, const uint32_t *w, int32_t n)
{
    int32_t sum = 0;
    int32_t i = 0;
    for (; i + 8 <= n; i += 8) {
        sum += sum_of_eight(q + i, ~w[i / 32] >> (i % 32));
    }
    for (; i < n; i++) {
        sum += q[i] * tfoa_sign_of_bit(w, i);
    }
    return sum;
}
