/* A walk in row-major order over elements that lie in strides, in two tensors at once. */
#ifndef TFOA_STRIDED_WALK_H
#define TFOA_STRIDED_WALK_H

#include <stddef.h>

#include "../forward.h"

typedef struct {
    size_t left; /* elements that are still to come */
    size_t a;    /* offsets of the element in both tensors */
    size_t b;
    size_t position[TFOA_MAX_RANK];
} tfoa_walk;

static inline tfoa_walk tfoa_walk_over(const tfoa_strides *strides)
{
    tfoa_walk walk = {1, 0, 0, {0}};
    for (int32_t axis = 0; axis < strides->rank; axis++) {
        walk.left *= (size_t)strides->size[axis];
    }
    return walk;
}

/* Steps to the next element, and moves both offsets with it. */
static inline void tfoa_walk_on(tfoa_walk *walk, const tfoa_strides *strides)
{
    walk->left--;
    for (int32_t axis = strides->rank - 1; axis >= 0; axis--) {
        const size_t size = (size_t)strides->size[axis];
        walk->a += (size_t)strides->a_stride[axis];
        walk->b += (size_t)strides->b_stride[axis];
        if (++walk->position[axis] < size) {
            return;
        }
        walk->position[axis] = 0;
        walk->a -= size * (size_t)strides->a_stride[axis];
        walk->b -= size * (size_t)strides->b_stride[axis];
    }
}

#endif
