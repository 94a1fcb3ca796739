/* What the kernels of packed bits are timed against, and loops around both, so that the call from Python is not what is timed. */
#include <stddef.h>

#include "../../targets/c99/kernels/packed.h"

void naive_matmul(int32_t batch, int32_t outputs, int32_t inputs, const float *x, const float *w, float *y);
void repeat_naive(int32_t repeats, int32_t batch, int32_t outputs, int32_t inputs, const float *x, const float *w, float *y);
void repeat_packed(int32_t repeats, const tfoa_packed_shape *shape, const uint32_t *x, const uint32_t *w, int32_t *dot);
void repeat_signed(int32_t repeats, const tfoa_signed_shape *shape, const int16_t *q, const uint32_t *w, int32_t *sums);

/* y = x w^T, as one writes it down. */
void naive_matmul(int32_t batch, int32_t outputs, int32_t inputs, const float *x, const float *w, float *y)
{
    for (int32_t row = 0; row < batch; row++) {
        for (int32_t output = 0; output < outputs; output++) {
            const float *x_row = x + (size_t)row * (size_t)inputs;
            const float *w_row = w + (size_t)output * (size_t)inputs;
            float total = 0.0f;
            for (int32_t i = 0; i < inputs; i++) {
                total += x_row[i] * w_row[i];
            }
            *y++ = total;
        }
    }
}

void repeat_naive(int32_t repeats, int32_t batch, int32_t outputs, int32_t inputs, const float *x, const float *w, float *y)
{
    for (int32_t i = 0; i < repeats; i++) {
        naive_matmul(batch, outputs, inputs, x, w, y);
    }
}

void repeat_packed(int32_t repeats, const tfoa_packed_shape *shape, const uint32_t *x, const uint32_t *w, int32_t *dot)
{
    for (int32_t i = 0; i < repeats; i++) {
        tfoa_packed_matmul(shape, x, w, dot);
    }
}

void repeat_signed(int32_t repeats, const tfoa_signed_shape *shape, const int16_t *q, const uint32_t *w, int32_t *sums)
{
    for (int32_t i = 0; i < repeats; i++) {
        tfoa_signed_matmul(shape, q, w, sums);
    }
}
