/* Sums of 16-bit numbers whose signs are packed bits: exact in 32 bits for up to 65,536 of them. */
#include "../kernels.h"

int32_t tfoa_signed_sum(const int16_t *q, const uint32_t *w, int32_t n)
{
    int32_t sum = 0;
    for (int32_t i = 0; i < n; i++) {
        const uint32_t is_positive = (w[i / 32] >> (i % 32)) & 1u;
        sum += is_positive ? q[i] : -q[i];
    }
    return sum;
}
