#include <stddef.h>

#include "../forward.h"

void tfoa_transpose(const tfoa_transpose_shape *shape, const float *x, float *y)
{
    size_t x_stride[TFOA_MAX_RANK]; /* of the axes of x */
    size_t count = 1;
    for (int32_t axis = shape->rank - 1; axis >= 0; axis--) {
        x_stride[axis] = count;
        count *= (size_t)shape->size[axis];
    }
    size_t position[TFOA_MAX_RANK] = {0}; /* along the axes of y */
    size_t offset = 0;
    for (size_t index = 0; index < count; index++) {
        y[index] = x[offset];
        for (int32_t axis = shape->rank - 1; axis >= 0; axis--) {
            const int32_t from = shape->perm[axis];
            const size_t size = (size_t)shape->size[from];
            offset += x_stride[from];
            if (++position[axis] < size) {
                break;
            }
            position[axis] = 0;
            offset -= size * x_stride[from];
        }
    }
}
