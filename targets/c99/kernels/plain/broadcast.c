/* Arithmetic of two tensors of which either may be repeated along some axes. */
#include "strided_walk.h"

void tfoa_add(const tfoa_strides *strides, const float *a, const float *b, float *y)
{
    for (tfoa_walk at = tfoa_walk_over(strides); at.left > 0; tfoa_walk_on(&at, strides)) {
        *y++ = a[at.a] + b[at.b];
    }
}

void tfoa_sub(const tfoa_strides *strides, const float *a, const float *b, float *y)
{
    for (tfoa_walk at = tfoa_walk_over(strides); at.left > 0; tfoa_walk_on(&at, strides)) {
        *y++ = a[at.a] - b[at.b];
    }
}

void tfoa_mul(const tfoa_strides *strides, const float *a, const float *b, float *y)
{
    for (tfoa_walk at = tfoa_walk_over(strides); at.left > 0; tfoa_walk_on(&at, strides)) {
        *y++ = a[at.a] * b[at.b];
    }
}

void tfoa_div(const tfoa_strides *strides, const float *a, const float *b, float *y)
{
    for (tfoa_walk at = tfoa_walk_over(strides); at.left > 0; tfoa_walk_on(&at, strides)) {
        *y++ = a[at.a] / b[at.b];
    }
}
