/* Signs of latent values as bits, sign(0) = +1, and the sum of |w| that alpha is computed from. */
#include <math.h>

#include "../kernels.h"

float tfoa_pack_signs(const float *latent, int32_t ins, uint32_t *bits)
{
    float sum = 0.0f;
    for (int32_t first = 0; first < ins; first += 32) {
        const int32_t count = ins - first < 32 ? ins - first : 32;
        uint32_t word = 0;
        for (int32_t i = 0; i < count; i++) {
            const float w = latent[first + i];
            sum += fabsf(w);
            word |= (uint32_t)(w >= 0.0f) << i;
        }
        *bits++ = word;
    }
    return sum;
}
