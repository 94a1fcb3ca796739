/* Gradients through the operators that lie between a trained layer and its block's output, in float32.
 *
 * Each takes the gradient of the operator's output and what was saved from the forward pass. Where a slice is trained, gradients
 * are of its channels alone, and what was saved has all channels. `grad` comes in as the gradient of the output and goes out as
 * that of the input, in its place; kernels whose input and output differ in size have two pointers, which overlap nothing. As
 * forward.h has it, arguments are trusted and sums run in a fixed order. */
#ifndef TFOA_KERNELS_BACKWARD_H
#define TFOA_KERNELS_BACKWARD_H

#include <stdint.h>

#include "channels.h"
#include "forward.h"

/* Relu, Clip and the window of a binary activation (packed rows of all channels): grad where the error passes, else 0. */
void tfoa_relu_grad(const tfoa_channel_part *part, const float *y, float *grad);
void tfoa_clip_grad(const tfoa_channel_part *part, float min, float max, const float *y, float *grad);
void tfoa_straight_through_grad(const tfoa_channel_part *part, const uint32_t *window, float *grad);

/* LeakyRelu: alpha times grad where y <= 0. */
void tfoa_leaky_relu_grad(const tfoa_channel_part *part, float alpha, const float *y, float *grad);

/* HardSigmoid: alpha times grad where 0 < y < 1, else 0. */
void tfoa_hard_sigmoid_grad(const tfoa_channel_part *part, float alpha, const float *y, float *grad);

/* HardSwish: 0 for x < -3, grad for x > 3, (2 x + 3) / 6 times grad between them. */
void tfoa_hard_swish_grad(const tfoa_channel_part *part, const float *x, float *grad);

/* Sigmoid: y (1 - y) times grad. */
void tfoa_sigmoid_grad(const tfoa_channel_part *part, const float *y, float *grad);

/* Tanh: 1 - y^2 times grad. */
void tfoa_tanh_grad(const tfoa_channel_part *part, const float *y, float *grad);

/* Softmax over the middle axis of y (outer, size, inner): y (grad - sum grad y). */
void tfoa_softmax_grad(int32_t outer, int32_t size, int32_t inner, const float *y, float *grad);

/* Batch normalization by statistics that count as constants: grad * gain / sqrt(variance + epsilon), of which there is one a
 * channel. */
void tfoa_batch_normalization_grad(const tfoa_channel_part *part, float epsilon, const float *gain, const float *variance,
                                   float *grad);

/* A step down of its shift, one a channel, by share * rate of the sum of grad over samples and positions; `grad` stays. */
void tfoa_shift_sgd_step(const tfoa_channel_part *part, float share, float rate, const float *grad, float *shift);

/* MaxPool. x (all channels, in_size); grad_y (count channels, out_size) goes to the first largest element of each window. */
/* The place of each window's largest element in its image, of at most 65,536 elements, and the gradient by it. */
void tfoa_max_places(const tfoa_window *window, int32_t planes, const float *x, uint16_t *places);
void tfoa_max_places_grad(int32_t planes, int32_t in_area, int32_t out_area, const float *grad_y, const uint16_t *places,
                          float *grad_x);
void tfoa_max_pool_grad(const tfoa_channel_part *part, const tfoa_window *window, const float *grad_y, const float *x,
                        float *grad_x);

/* AveragePool of planes = samples * channels images: the elements inside the image share a window's gradient, each by the divisor
 * of tfoa_average_pool. */
void tfoa_average_pool_grad(const tfoa_window *window, int32_t planes, int32_t count_include_pad, const float *grad_y,
                            float *grad_x);

/* GlobalAveragePool. grad_y (planes), grad_x (planes, plane_size). */
void tfoa_global_average_pool_grad(int32_t planes, int32_t plane_size, const float *grad_y, float *grad_x);

/* LRN. x, y, grad_y and grad_x all have the shape's channels. */
void tfoa_lrn_grad(const tfoa_lrn_shape *shape, const float *grad_y, const float *x, const float *y, float *grad_x);

#endif
