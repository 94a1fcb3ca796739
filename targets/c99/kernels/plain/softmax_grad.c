#include <stddef.h>

#include "../backward.h"

/* Of size elements that lie stride apart. */
static void softmax_line_grad(size_t size, size_t stride, const float *y, float *grad)
{
    float total = 0.0f;
    for (size_t i = 0; i < size; i++) {
        total += grad[i * stride] * y[i * stride];
    }
    for (size_t i = 0; i < size; i++) {
        grad[i * stride] = (grad[i * stride] - total) * y[i * stride];
    }
}

void tfoa_softmax_grad(int32_t outer, int32_t size, int32_t inner, const float *y, float *grad)
{
    for (int32_t i = 0; i < outer; i++) {
        const size_t start = (size_t)i * (size_t)size * (size_t)inner;
        for (int32_t j = 0; j < inner; j++) {
            softmax_line_grad((size_t)size, (size_t)inner, y + start + (size_t)j, grad + start + (size_t)j);
        }
    }
}
