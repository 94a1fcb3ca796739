#include <stddef.h>

#include "../forward.h"

static void multiply(size_t rows, size_t inner, size_t columns, const float *a, const float *b, float *y)
{
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < columns; j++) {
            float total = 0.0f;
            for (size_t k = 0; k < inner; k++) {
                total += a[i * inner + k] * b[k * columns + j];
            }
            *y++ = total;
        }
    }
}

void tfoa_matmul(const tfoa_matmul_shape *shape, const float *a, const float *b, float *y)
{
    const size_t rows = (size_t)shape->rows, inner = (size_t)shape->inner, columns = (size_t)shape->columns;
    size_t count = 1;
    for (int32_t axis = 0; axis < shape->batch_rank; axis++) {
        count *= (size_t)shape->batch_size[axis];
    }
    for (size_t index = 0; index < count; index++) {
        size_t a_offset = 0, b_offset = 0, rest = index;
        for (int32_t axis = shape->batch_rank - 1; axis >= 0; axis--) {
            const size_t position = rest % (size_t)shape->batch_size[axis];
            rest /= (size_t)shape->batch_size[axis];
            a_offset += position * (size_t)shape->a_stride[axis];
            b_offset += position * (size_t)shape->b_stride[axis];
        }
        multiply(rows, inner, columns, a + a_offset, b + b_offset, y);
        y += rows * columns;
    }
}
