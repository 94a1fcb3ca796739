/* Boxes of elements that are moved, and numbers that fill a tensor. */
#include "strided_walk.h"

void tfoa_copy_box(const tfoa_strides *strides, const float *a, float *b)
{
    for (tfoa_walk at = tfoa_walk_over(strides); at.left > 0; tfoa_walk_on(&at, strides)) {
        b[at.b] = a[at.a];
    }
}

void tfoa_add_box(const tfoa_strides *strides, const float *a, float *b)
{
    for (tfoa_walk at = tfoa_walk_over(strides); at.left > 0; tfoa_walk_on(&at, strides)) {
        b[at.b] += a[at.a];
    }
}

void tfoa_fill(int32_t count, float value, float *y)
{
    for (int32_t i = 0; i < count; i++) {
        y[i] = value;
    }
}
