/* Products of convolutions that are being trained, part of a row of weights at a time: rows come from wherever they lie.
 *
 * A row is the kernels of one output, channel by channel of its group, each tap by tap: the order of ONNX's weights. */
#ifndef TFOA_CONV_PRODUCTS_H
#define TFOA_CONV_PRODUCTS_H

#include "kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Weights [first, first + count) of the part of a row of `output` that begins with channel `channel` of its group. */
typedef struct tfoa_row_part {
    int32_t output;
    int32_t channel;
    int32_t first;
    int32_t count;
} tfoa_row_part;

/* z += weights * x, for the part's output and all samples: x (batch, in_channels, in_size), z (batch, out_channels, out_size). */
void tfoa_add_conv_products(const tfoa_conv_shape *shape, const tfoa_row_part *part, const void *weights, const float *x,
                            float *z);

/* sums += q, where a bit of `signs` is one, else -= q: of one sample, q (in_channels, in_size), sums (out_size) of the output. */
void tfoa_add_signed_conv(const tfoa_conv_shape *shape, const tfoa_row_part *part, const uint32_t *signs, const int16_t *q,
                          int32_t *sums);

/* The same of bits: sums += x, or -= x. */
void tfoa_add_bit_conv(const tfoa_conv_shape *shape, const tfoa_row_part *part, const uint32_t *signs, const uint32_t *x,
                       int32_t *sums);

/* grad_x += weights * grad_z, for the part's output and all samples: the part's share in the gradient of x, which has its shape.
 */
void tfoa_add_conv_input_grad(const tfoa_conv_shape *shape, const tfoa_row_part *part, const void *weights, const float *grad_z,
                              float *grad_x);

/* The same of signs, each worth `alpha`. */
void tfoa_add_signed_conv_input_grad(const tfoa_conv_shape *shape, const tfoa_row_part *part, const uint32_t *signs, float alpha,
                                     const float *grad_z, float *grad_x);

/* The bits of one sample x that a part is multiplied with at an output position, in the order of the part; 0 in the padding. */
void tfoa_gather_patch(const tfoa_conv_shape *shape, const tfoa_row_part *part, const uint32_t *x, int32_t position,
                       uint32_t *patch);

#ifdef __cplusplus
}
#endif

#endif
