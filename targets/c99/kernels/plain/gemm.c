#include <stddef.h>

#include "../forward.h"

void tfoa_gemm(const tfoa_gemm_shape *shape, const float *a, const float *b, const float *c, float *y)
{
    const size_t rows = (size_t)shape->rows, columns = (size_t)shape->columns, inner = (size_t)shape->inner;
    const size_t a_row = shape->trans_a ? 1 : inner, a_inner = shape->trans_a ? rows : 1;
    const size_t b_inner = shape->trans_b ? 1 : columns, b_column = shape->trans_b ? inner : 1;
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < columns; j++) {
            float total = 0.0f;
            for (size_t k = 0; k < inner; k++) {
                total += a[i * a_row + k * a_inner] * b[k * b_inner + j * b_column];
            }
            total *= shape->alpha;
            if (c) {
                total += shape->beta * c[i * (size_t)shape->c_row_stride + j * (size_t)shape->c_column_stride];
            }
            *y++ = total;
        }
    }
}
