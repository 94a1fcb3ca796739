/* Signs of latent values as bits, sign(0) = +1, and the sums of |w| that alpha is computed from. */
#include "../kernels.h"

void tfoa_pack_signs(const float *latent, int32_t outs, int32_t ins, uint32_t *bits, float *abs_sums)
{
    for (int32_t out = 0; out < outs; out++) {
        float sum = 0.0f;
        uint32_t word = 0;
        for (int32_t in = 0; in < ins; in++) {
            const float w = latent[in];
            sum += w < 0.0f ? -w : w;
            word |= (uint32_t)(w >= 0.0f) << (in % 32);
            if (in % 32 == 31 || in + 1 == ins) {
                *bits++ = word;
                word = 0;
            }
        }
        abs_sums[out] = sum;
        latent += ins;
    }
}
