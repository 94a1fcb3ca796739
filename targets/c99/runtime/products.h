/* Products of layers that lie in the storage, their active slice in RAM. Each call is one operator of the step. */
#ifndef TFOA_PRODUCTS_H
#define TFOA_PRODUCTS_H

#include "../kernels/kernels.h"
#include "../kernels/pooled_conv.h"
#include "model.h"

/* The format of what a step reads as it lies in the arena, such as a head that learns. */
static inline const tfoa_integers *tfoa_integers_of(const tfoa_layer *layer)
{
    return layer->integers;
}

/* z = alpha s (2 popcount(x & w) - popcount(x)) + b, of bits. */
tfoa_status tfoa_binary_dense(const tfoa_context *context, const tfoa_layer *layer, const uint32_t *x, float x_scale,
                              int32_t rows, float *z);

/* The same of levels of two bits: the ones of the high bits count twice. */
tfoa_status tfoa_level_dense(const tfoa_context *context, const tfoa_layer *layer, const uint32_t *x, float x_scale, int32_t rows,
                             float *z);

/* z = alpha (x . sign(W)) + b, of real numbers, in `scratch` as 16-bit integers: rows x (4 + 4 ceil(inputs / 2)) bytes. */
tfoa_status tfoa_sign_dense(const tfoa_context *context, const tfoa_layer *layer, const float *x, int32_t rows, void *scratch,
                            float *z);

/* z = x W^T + b. */
tfoa_status tfoa_real_dense(const tfoa_context *context, const tfoa_layer *layer, const tfoa_operand *x, int32_t rows, float *z);
tfoa_status tfoa_real_dense_of_levels(const tfoa_context *context, const tfoa_layer *layer, const tfoa_operand *x, int32_t rows,
                                      float *z);

/* The same as convolutions; of a shape, x (batch, in_channels, in_size) and z (batch, out_channels, out_size). */
tfoa_status tfoa_binary_conv(const tfoa_context *context, const tfoa_layer *layer, const tfoa_conv_shape *shape,
                             const uint32_t *x, float x_scale, float *z);
tfoa_status tfoa_level_conv(const tfoa_context *context, const tfoa_layer *layer, const tfoa_conv_shape *shape, const uint32_t *x,
                            float x_scale, float *z);
/* `scratch` takes one sample of x. */
tfoa_status tfoa_sign_conv(const tfoa_context *context, const tfoa_layer *layer, const tfoa_conv_shape *shape, const float *x,
                           int16_t *scratch, float *z);
tfoa_status tfoa_real_conv(const tfoa_context *context, const tfoa_layer *layer, const tfoa_conv_shape *shape, const float *x,
                           float *z);

/* y (batch, out_channels, the pool's positions) = the maxima of z = x * W + b, of one group, and their places in z where these
 * are not NULL. `plane` takes one channel of z. */
tfoa_status tfoa_real_conv_max_pool(const tfoa_context *context, const tfoa_layer *layer, const tfoa_conv_shape *shape,
                                    const tfoa_window *pool, const float *x, float *plane, float *y, uint16_t *places);

/* z += b, in place, of a layer whose biases alone are trained, as weights of one input. z (rows, biases, positions). */
tfoa_status tfoa_add_biases(const tfoa_context *context, const tfoa_layer *layer, int32_t rows, float *z);

/* grad_x = grad_z W, with all weights: the active slice as it is in RAM. Of signs, grad_x = (alpha grad_z) sign(W). */
tfoa_status tfoa_real_dense_input_grad(const tfoa_context *context, const tfoa_layer *layer, int32_t rows, const float *grad_z,
                                       float *grad_x);
tfoa_status tfoa_sign_dense_input_grad(const tfoa_context *context, const tfoa_layer *layer, int32_t rows, const float *grad_z,
                                       float *grad_x);
tfoa_status tfoa_real_conv_input_grad(const tfoa_context *context, const tfoa_layer *layer, const tfoa_conv_shape *shape,
                                      const float *grad_z, float *grad_x);
tfoa_status tfoa_sign_conv_input_grad(const tfoa_context *context, const tfoa_layer *layer, const tfoa_conv_shape *shape,
                                      const float *grad_z, float *grad_x);

tfoa_status tfoa_pooled_conv_input_grad(const tfoa_context *context, const tfoa_layer *layer, const tfoa_pooled_conv *shape,
                                        const float *grad_y, float *grad_x);

/* The active slice of a layer, as an update takes it. grad_z holds the slice's outputs alone, or with `has_all_rows` all. */
tfoa_slice tfoa_active_slice(const tfoa_context *context, const tfoa_layer *layer, int has_all_rows, float limit);

/* The same of a layer whose biases alone are trained, for the update of biases. */
tfoa_slice tfoa_active_biases(const tfoa_context *context, const tfoa_layer *layer);

/* The scale of an activation: in RAM while its block has a slice there, else in the storage. */
tfoa_status tfoa_scale(const tfoa_context *context, uint32_t number, float *scale);

/* Batch normalization of a trained block: statistic `mean` of the block, and the variance and the shift behind it. */
typedef struct tfoa_running {
    uint32_t block;
    uint32_t mean;
    float epsilon;
    const float *gain;
} tfoa_running;

/* y is x normalized by running statistics, in place if x is y. */
tfoa_status tfoa_running_normalization(const tfoa_context *context, const tfoa_running *by, const tfoa_channels *shape,
                                       const float *x, float *y);

/* The share of a scale or statistic that a step keeps: the recipe's, or what makes it a mean while it is being measured. */
float tfoa_scale_momentum(const tfoa_context *context, float momentum);

#endif
