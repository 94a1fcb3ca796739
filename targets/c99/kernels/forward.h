/* Forward operators of ONNX in float32: what frozen blocks need, and what lies between a trained layer and its block's output.
 *
 * Tensors are dense and row-major, in ONNX's order of axes, and belong to the caller. Kernels trust their arguments:
 * sizes are at least 1 and agree, which the exporter has checked. Outputs overlap no input, unless a kernel says that it
 * works in place. A NaN goes through. Sums run in a fixed order, so that every platform gives the same bits: compile with
 * -ffp-contract=off.
 */
#ifndef TFOA_KERNELS_FORWARD_H
#define TFOA_KERNELS_FORWARD_H

#include <stdint.h>

#include "channels.h"
#include "floating_point.h"

enum { TFOA_MAX_RANK = 6 };

/* Positions of a window: [0] is the height and [1] the width. With one spatial axis the height is 1, its stride and
 * dilation too. Output position o reads input positions o * stride - pad_begin + k * dilation for k in [0, kernel).
 * auto_pad and ceil_mode are resolved by the caller into pads and out_size. */
typedef struct {
    int32_t in_size[2];
    int32_t out_size[2];
    int32_t kernel[2];
    int32_t stride[2];
    int32_t dilation[2];
    int32_t pad_begin[2];
    int32_t pad_end[2];
} tfoa_window;

typedef struct {
    tfoa_window window;
    int32_t batch;
    int32_t groups;
    int32_t in_channels;  /* of all groups; a multiple of groups */
    int32_t out_channels; /* of all groups; a multiple of groups */
} tfoa_conv_shape;

/* Conv. x (batch, in_channels, in_size), w (out_channels, in_channels / groups, kernel), bias (out_channels) or NULL,
 * y (batch, out_channels, out_size). Depthwise: groups = in_channels. */
void tfoa_conv(const tfoa_conv_shape *shape, const float *x, const float *w, const float *bias, float *y);

/* ConvTranspose: the gradient of a Conv's input, of the shape of that Conv: what x is here has its outputs, and y its inputs.
 * x (batch, out_channels, out_size), w (out_channels, in_channels / groups, kernel), bias (in_channels) or NULL, y (batch,
 * in_channels, in_size). */
void tfoa_conv_transpose(const tfoa_conv_shape *shape, const float *x, const float *w, const float *bias, float *y);

/* MaxPool of planes = batch * channels images. x (planes, in_size), y (planes, out_size). A window holds at least one
 * element. */
void tfoa_max_pool(const tfoa_window *window, int32_t planes, const float *x, float *y);

/* AveragePool. The divisor is the number of a window's elements inside the image or, with count_include_pad, inside the padded
 * image; either is at least 1. */
void tfoa_average_pool(const tfoa_window *window, int32_t planes, int32_t count_include_pad, const float *x, float *y);

/* GlobalAveragePool. x (planes, plane_size), y (planes). */
void tfoa_global_average_pool(int32_t planes, int32_t plane_size, const float *x, float *y);

typedef struct {
    int32_t rows;            /* of y */
    int32_t columns;         /* of y */
    int32_t inner;           /* length of the sums */
    int32_t trans_a;         /* 1 where a lies as (inner, rows) */
    int32_t trans_b;         /* 1 where b lies as (columns, inner) */
    int32_t c_row_stride;    /* columns for a whole C, 1 for a column, 0 where all rows share it */
    int32_t c_column_stride; /* 1, or 0 where all columns share it */
    float alpha;
    float beta;
} tfoa_gemm_shape;

/* Gemm. y = alpha a b + beta c: a (rows, inner), b (inner, columns), c broadcast to (rows, columns) or NULL. */
void tfoa_gemm(const tfoa_gemm_shape *shape, const float *a, const float *b, const float *c, float *y);

typedef struct {
    int32_t rows;
    int32_t columns;
    int32_t inner;
    int32_t batch_rank;                    /* axes before the last two, at most TFOA_MAX_RANK - 2 */
    int32_t batch_size[TFOA_MAX_RANK - 2]; /* of y */
    int32_t a_stride[TFOA_MAX_RANK - 2];   /* in elements; 0 where a is broadcast */
    int32_t b_stride[TFOA_MAX_RANK - 2];
} tfoa_matmul_shape;

/* MatMul. y = a b over the last two axes, for each index of the axes before. a (..., rows, inner), b (..., inner, columns). A
 * vector is passed as a matrix of one row (a) or one column (b). */
void tfoa_matmul(const tfoa_matmul_shape *shape, const float *a, const float *b, float *y);

/* Two tensors element by element: a box of `size`, in row-major order. */
typedef struct {
    int32_t rank;
    int32_t size[TFOA_MAX_RANK];
    int32_t a_stride[TFOA_MAX_RANK]; /* in elements; 0 where a is repeated */
    int32_t b_stride[TFOA_MAX_RANK];
} tfoa_strides;

/* Add, Sub, Mul and Div of two shapes that NumPy's rules join to that of y; a scalar has rank 0. In place where y is an operand
 * of y's shape. */
void tfoa_add(const tfoa_strides *strides, const float *a, const float *b, float *y);
void tfoa_sub(const tfoa_strides *strides, const float *a, const float *b, float *y);
void tfoa_mul(const tfoa_strides *strides, const float *a, const float *b, float *y);
void tfoa_div(const tfoa_strides *strides, const float *a, const float *b, float *y);

/* Neg, in place if x is y. */
void tfoa_neg(int32_t count, const float *x, float *y);

/* Relu, in place if x is y. */
void tfoa_relu(int32_t count, const float *x, float *y);

/* Clip, in place if x is y. All are max where max < min. */
void tfoa_clip(int32_t count, float min, float max, const float *x, float *y);

/* LeakyRelu, in place if x is y. */
void tfoa_leaky_relu(int32_t count, float alpha, const float *x, float *y);

/* HardSigmoid: alpha x + beta in [0, 1], in place if x is y. */
void tfoa_hard_sigmoid(int32_t count, float alpha, float beta, const float *x, float *y);

/* HardSwish: x times its HardSigmoid of alpha 1/6 and beta 1/2, in place if x is y. */
void tfoa_hard_swish(int32_t count, const float *x, float *y);

/* Sigmoid and Tanh, in place if x is y; to within 3 ulp. */
void tfoa_sigmoid(int32_t count, const float *x, float *y);
void tfoa_tanh(int32_t count, const float *x, float *y);

typedef struct {
    const float *gain; /* all are one a channel */
    const float *shift;
    const float *mean;
    const float *variance;
    float epsilon;
} tfoa_normalization;

/* BatchNormalization by given statistics, in place if x is y. */
void tfoa_batch_normalization(const tfoa_channels *shape, const tfoa_normalization *by, const float *x, float *y);

/* Running statistics follow the mean and variance of x over samples and positions; what was keeps the share `momentum`. */
void tfoa_follow_statistics(const tfoa_channels *shape, float momentum, const float *x, float *mean, float *variance);

typedef struct {
    tfoa_channels of;
    int32_t size; /* channels that a sum takes: (size - 1) / 2 of them before its own */
    float alpha;
    float beta;
    float bias;
} tfoa_lrn_shape;

/* LRN, local response normalization across channels. */
void tfoa_lrn(const tfoa_lrn_shape *shape, const float *x, float *y);

/* Reshape of what may not share storage with its input: a copy. */
void tfoa_reshape(int32_t count, const float *x, float *y);

/* A box of a is copied into b, or added to it (a sum where b's stride is 0): Concat, Slice and Pad, and sums over axes. */
void tfoa_copy_box(const tfoa_strides *strides, const float *a, float *b);
void tfoa_add_box(const tfoa_strides *strides, const float *a, float *b);

/* All elements are value. */
void tfoa_fill(int32_t count, float value, float *y);

typedef struct {
    int32_t rank;
    int32_t size[TFOA_MAX_RANK]; /* of x */
    int32_t perm[TFOA_MAX_RANK]; /* axis i of y is axis perm[i] of x */
} tfoa_transpose_shape;

/* Transpose. */
void tfoa_transpose(const tfoa_transpose_shape *shape, const float *x, float *y);

/* Softmax over the middle axis of x (outer, size, inner), in place if x is y. Before opset 13 size holds all axes from
 * axis on, and inner is 1. */
void tfoa_softmax(int32_t outer, int32_t size, int32_t inner, const float *x, float *y);

#endif
