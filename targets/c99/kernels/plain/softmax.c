#include <stddef.h>

#include "../forward.h"
#include "expf.h"

/* Softmax of size elements that lie stride apart. The largest is subtracted first: no power overflows, and one of them is 1. */
static void softmax_line(size_t size, size_t stride, const float *x, float *y)
{
    float largest = x[0];
    for (size_t i = 1; i < size; i++) {
        if (x[i * stride] > largest) {
            largest = x[i * stride];
        }
    }
    float total = 0.0f;
    for (size_t i = 0; i < size; i++) {
        const float power = tfoa_expf(x[i * stride] - largest);
        y[i * stride] = power;
        total += power;
    }
    for (size_t i = 0; i < size; i++) {
        y[i * stride] /= total;
    }
}

void tfoa_softmax(int32_t outer, int32_t size, int32_t inner, const float *x, float *y)
{
    for (int32_t i = 0; i < outer; i++) {
        const size_t start = (size_t)i * (size_t)size * (size_t)inner;
        for (int32_t j = 0; j < inner; j++) {
            softmax_line((size_t)size, (size_t)inner, x + start + (size_t)j, y + start + (size_t)j);
        }
    }
}
