/* A convolution and the pool of maxima behind it, of which only the maxima are kept and where they were. */
#ifndef TFOA_POOLED_CONV_H
#define TFOA_POOLED_CONV_H

#include "conv_products.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Errors of the convolution's output: those of the pool's output, each at its place in the image in front of the pool. */
typedef struct tfoa_pooled_conv {
    tfoa_conv_shape conv; /* comes first: a pointer to it is one to all */
    tfoa_window pool;
    const uint16_t *places; /* (batch, out_channels, the pool's positions) */
} tfoa_pooled_conv;

static inline const tfoa_conv_shape *tfoa_conv_of(const tfoa_pooled_conv *pooled)
{
    return &pooled->conv;
}

/* A slice as updates take it, whose errors are those of the pool: so many a channel. */
static inline tfoa_slice tfoa_pooled_slice(tfoa_slice slice, int32_t positions)
{
    slice.positions = positions;
    return slice;
}

/* Of an operand whose `conv` is that of a tfoa_pooled_conv. */
tfoa_weight_gradient tfoa_pooled_conv_weight_gradient;

/* grad_x += weights * grad_y, as tfoa_add_conv_input_grad does of errors that are spread out. */
void tfoa_add_pooled_conv_input_grad(const tfoa_pooled_conv *shape, const tfoa_row_part *part, const void *weights,
                                     const float *grad_y, float *grad_x);

#ifdef __cplusplus
}
#endif

#endif
