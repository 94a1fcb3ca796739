/* What matrix products share that take the rows of w in tiles: the variants of packed_matmul for wide vectors. */
#ifndef TFOA_PACKED_TILES_H
#define TFOA_PACKED_TILES_H

#include <stddef.h>

#include "packed.h"

/* Rows of w that lie stride words apart. */
typedef struct tfoa_tile_rows {
    const uint32_t *first;
    size_t stride;
} tfoa_tile_rows;

/* Give every product minus the ones of its x, and add twice the common ones of outputs from `first` on, which fill no tile. */
static inline void tfoa_begin_tiles(const tfoa_packed_shape *shape, int32_t first, const uint32_t *x, const uint32_t *w,
                                    int32_t *dot)
{
    const size_t outputs = (size_t)shape->outputs;
    for (size_t row = 0; row < (size_t)shape->batch; row++) {
        const uint32_t *x_row = x + row * (size_t)shape->x_stride;
        int32_t *dot_row = dot + row * outputs;
        const int32_t x_ones = tfoa_packed_count(x_row, shape->words);
        for (size_t output = 0; output < outputs; output++) {
            dot_row[output] = -x_ones;
        }
        for (size_t output = (size_t)first; output < outputs; output++) {
            dot_row[output] += 2 * tfoa_packed_dot(x_row, w + output * (size_t)shape->w_stride, shape->words);
        }
    }
}

#endif
