#include <stddef.h>

#include "../forward.h"

/* Steps to the next element in row-major order, and moves both offsets with it. */
static void advance(const tfoa_broadcast_shape *shape, size_t position[], size_t *a_offset, size_t *b_offset)
{
    for (int32_t axis = shape->rank - 1; axis >= 0; axis--) {
        const size_t size = (size_t)shape->size[axis];
        *a_offset += (size_t)shape->a_stride[axis];
        *b_offset += (size_t)shape->b_stride[axis];
        if (++position[axis] < size) {
            return;
        }
        position[axis] = 0;
        *a_offset -= size * (size_t)shape->a_stride[axis];
        *b_offset -= size * (size_t)shape->b_stride[axis];
    }
}

void tfoa_add(const tfoa_broadcast_shape *shape, const float *a, const float *b, float *y)
{
    size_t count = 1, a_offset = 0, b_offset = 0;
    size_t position[TFOA_MAX_RANK] = {0};
    for (int32_t axis = 0; axis < shape->rank; axis++) {
        count *= (size_t)shape->size[axis];
    }
    for (size_t index = 0; index < count; index++) {
        y[index] = a[a_offset] + b[b_offset];
        advance(shape, position, &a_offset, &b_offset);
    }
}
