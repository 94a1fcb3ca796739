/* Binary activations: h = 1[z > 0], and the window in which an error passes, low < z < high. */
#include "../kernels.h"

void tfoa_binary_activation(const float *z, int32_t rows, int32_t units, uint32_t *h)
{
    for (int32_t row = 0; row < rows; row++) {
        for (int32_t first = 0; first < units; first += 32) {
            const int32_t count = units - first < 32 ? units - first : 32;
            uint32_t word = 0;
            for (int32_t i = 0; i < count; i++) {
                word |= (uint32_t)(z[first + i] > 0.0f) << i;
            }
            *h++ = word;
        }
        z += units;
    }
}

void tfoa_pass_mask(const float *z, int32_t rows, int32_t units, float low, float high, uint32_t *mask)
{
    for (int32_t row = 0; row < rows; row++) {
        for (int32_t first = 0; first < units; first += 32) {
            const int32_t count = units - first < 32 ? units - first : 32;
            uint32_t word = 0;
            for (int32_t i = 0; i < count; i++) {
                word |= (uint32_t)(z[first + i] > low && z[first + i] < high) << i;
            }
            *mask++ = word;
        }
        z += units;
    }
}

void tfoa_follow_scale(float *scale, const float *z, int32_t count, float momentum)
{
    float sum = 0.0f;
    for (int32_t i = 0; i < count; i++) {
        sum += z[i] < 0.0f ? -z[i] : z[i];
    }
    *scale = *scale * momentum + sum / (float)count * (1.0f - momentum);
}

void tfoa_binary_to_real(const uint32_t *h, int32_t rows, int32_t units, float scale, float *x)
{
    for (int32_t row = 0; row < rows; row++) {
        for (int32_t i = 0; i < units; i++) {
            *x++ = (h[i / 32] >> (i % 32)) & 1u ? scale : 0.0f;
        }
        h += TFOA_WORDS(units);
    }
}
