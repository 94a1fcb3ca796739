/* The kernels of the training step: plain loops over memory that the caller gives. They cannot fail and hold nothing.
 *
 * Bits are packed into rows of 32-bit words: bit i of a row is bit i % 32 of word i / 32, and what is left of the last word is
 * zero. Matrices are row by row. Every sum runs in order of its index, so that all platforms give the same bits. */
#ifndef TFOA_KERNELS_H
#define TFOA_KERNELS_H

#include <stdint.h>

#include "channels.h"
#include "forward.h"
#include "integers.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TFOA_WORDS(bits) (((bits) + 31) / 32)

/* Number of ones in x & w, and in x. */
int32_t tfoa_packed_dot(const uint32_t *x, const uint32_t *w, int32_t num_words);
int32_t tfoa_packed_count(const uint32_t *x, int32_t num_words);

/* Sum of q[i], i < n, added where bit i of w is one and subtracted where it is zero. */
int32_t tfoa_signed_sum(const int16_t *q, const uint32_t *w, int32_t n);

/* q = x / step, to 16 bits; returns step, the largest |x| by 32512. */
float tfoa_quantize(const float *x, int32_t n, int16_t *q);

/* h = 1[z > 0] as bits. */
void tfoa_binary_activation(const float *z, int32_t rows, int32_t units, uint32_t *h);

/* window = 1[floor < z < 1] as bits. */
void tfoa_pass_mask(const float *z, int32_t rows, int32_t units, float low, float high, uint32_t *mask);

/* scale = momentum * scale + (1 - momentum) * mean |z|. */
void tfoa_follow_scale(float *scale, const float *z, int32_t count, float momentum);

/* x = scale * h. */
void tfoa_binary_to_real(const uint32_t *h, int32_t rows, int32_t units, float scale, float *x);

/* The same of levels of two bits, 0 to 3. Their rows take 2 TFOA_WORDS(units) words: the low bits of all units, then the high
 * ones. h = how many of 1/2, 3/2 and 5/2 are below z / scale; window = 1[floor < z / scale < 7/2] as bits, where not NULL. */
void tfoa_level_activation(const float *z, int32_t rows, int32_t units, float scale, float floor, uint32_t *h, uint32_t *window);
void tfoa_levels_to_real(const uint32_t *h, int32_t rows, int32_t units, float scale, float *x);

/* Level i of a row. */
static inline uint32_t tfoa_level_at(const uint32_t *row, int32_t units, int32_t i)
{
    const uint32_t *high = row + TFOA_WORDS(units);
    return ((row[i / 32] >> (i % 32)) & 1u) | ((high[i / 32] >> (i % 32)) & 1u) << 1;
}

/* The local head: B[class][unit] is stored, as float or as words of whole numbers, or where `stored` is NULL +1 or -1 from a hash
 * of seed, class and unit. */
typedef struct tfoa_head {
    const float *stored;
    uint32_t seed;
    int32_t classes;
    int32_t units;
    float gain;
    const tfoa_integers *integers; /* NULL, as where it is left out: `stored` is float */
} tfoa_head;

/* logits = gain * scale * B h, of bits, of levels and of real numbers. */
void tfoa_head_logits_of_bits(const tfoa_head *head, const uint32_t *h, int32_t rows, float scale, float *logits);
void tfoa_head_logits_of_levels(const tfoa_head *head, const uint32_t *h, int32_t rows, float scale, float *logits);
void tfoa_head_logits(const tfoa_head *head, const float *h, int32_t rows, float *logits);

/* grad_h = gain * B^T grad_logits, for the units of the part; a unit is a position of a channel. */
void tfoa_head_grad(const tfoa_head *head, const tfoa_channel_part *part, const float *grad_logits, float *grad_h);

/* The same of a head whose units are the means of channels. */
void tfoa_pooled_head_logits_of_bits(const tfoa_head *head, const tfoa_channels *shape, const uint32_t *h, float scale,
                                     float *logits);
void tfoa_pooled_head_logits_of_levels(const tfoa_head *head, const tfoa_channels *shape, const uint32_t *h, float scale,
                                       float *logits);
void tfoa_pooled_head_logits(const tfoa_head *head, const tfoa_channels *shape, const float *h, float *logits);
void tfoa_pooled_head_grad(const tfoa_head *head, const tfoa_channel_part *part, const float *grad_logits, float *grad_h);

/* Mean cross entropy of softmax(logits), and its gradient in their place; *correct counts the samples classified right. */
void tfoa_softmax_cross_entropy(float *logits, const int32_t *target, int32_t rows, int32_t classes, float *loss,
                                int32_t *correct);

/* The same, where the loss and the gradient of a sample are multiplied by the weight of its class. */
void tfoa_weighted_softmax_cross_entropy(float *logits, const int32_t *target, const float *weights, int32_t rows,
                                         int32_t classes, float *loss, int32_t *correct);

/* Cross entropy of sigmoid(logits) against targets from 0 to 1, summed over a row and averaged over rows; its gradient in their
 * place. */
void tfoa_binary_cross_entropy(float *logits, const float *target, int32_t rows, int32_t size, float *loss);

/* Half the mean squared error, and its gradient in the place of the output. */
void tfoa_mean_squared_error(float *output, const float *target, int32_t rows, int32_t size, float *loss);

struct tfoa_slice;
struct tfoa_operand;

/* The gradient of weight `in` in the row of output `out` of a slice: a sum over the batch and over positions. */
typedef float tfoa_weight_gradient(const struct tfoa_slice *slice, const float *grad_z, const struct tfoa_operand *x,
                                   int32_t rows, int32_t out, int32_t in);

/* What a layer multiplies: bits, levels or real numbers, rows x units; a gradient reads scale (x - center). A convolution says
 * how its kernels move over x, the units of which are channels x positions; center is not taken off the padding. */
typedef struct tfoa_operand {
    const uint32_t *bits; /* NULL where x is real; rows of levels where the gradient is one of levels */
    const float *real;
    int32_t units;
    float scale; /* 1 where a layer reads real numbers */
    float center;
    const tfoa_conv_shape *conv;    /* NULL: dense. The batch in it is not read */
    tfoa_weight_gradient *gradient; /* one of those below; NULL: of a dense layer that reads bits or real numbers */
} tfoa_operand;

tfoa_weight_gradient tfoa_conv_weight_gradient;
/* Of a head that sees the mean of each channel: its kernels cover a channel each, and all their taps have one weight. */
tfoa_weight_gradient tfoa_mean_weight_gradient;
/* The same of levels, and that of a dense layer which reads them. */
tfoa_weight_gradient tfoa_level_conv_weight_gradient;
tfoa_weight_gradient tfoa_level_mean_weight_gradient;
tfoa_weight_gradient tfoa_level_weight_gradient;

/* A slice in RAM: latent values, outs x ins. A row holds the weights of one output: those of inputs from first_in on, or in a
 * convolution of the channels of its group from first_in on, each with all its taps. Where the slice has bits, they and the sums
 * of |w| follow the latent values in every step. grad_z has grad_columns outputs, each with all its positions, and those of the
 * slice begin at first_grad. */
typedef struct tfoa_slice {
    float *latent;
    float *bias;
    uint32_t *bits; /* NULL where products use the latent values */
    float *sums;
    int32_t ins;
    int32_t outs;
    int32_t first_in;
    int32_t first_out;
    int32_t first_grad;
    int32_t grad_columns;
    float limit;                   /* latent values are kept in [-limit, limit] */
    int32_t positions;             /* of an output: 1 where dense */
    const tfoa_integers *integers; /* NULL where latent values are real; else they are words of whole numbers */
    uint32_t step;                 /* steps that have been taken before: what draws depend on */
} tfoa_slice;

/* Gradient and update in one, so that the gradient is never stored: w -= rate * optimizer(sum over the batch and
 * over positions of grad_z x). */
void tfoa_weight_sgd_step(const tfoa_slice *slice, const float *grad_z, const tfoa_operand *x, int32_t rows, float rate);
void tfoa_bias_sgd_step(const tfoa_slice *slice, const float *grad_z, int32_t rows, float rate);
void tfoa_weight_momentum_step(const tfoa_slice *slice, const float *grad_z, const tfoa_operand *x, int32_t rows, float rate,
                               float *velocity);
void tfoa_bias_momentum_step(const tfoa_slice *slice, const float *grad_z, int32_t rows, float rate, float *velocity);

/* A step as long as the rate says: `power` is the running mean of g^2 over the slice, `count` how many steps it has followed. */
void tfoa_weight_normalized_step(const tfoa_slice *slice, const float *grad_z, const tfoa_operand *x, int32_t rows, float rate,
                                 float *power, int32_t *count);
void tfoa_bias_normalized_step(const tfoa_slice *slice, const float *grad_z, int32_t rows, float rate, float *power,
                               int32_t *count);

/* The same of weights that are whole numbers. */
void tfoa_weight_sgd_step_on_integers(const tfoa_slice *slice, const float *grad_z, const tfoa_operand *x, int32_t rows,
                                      float rate);
void tfoa_weight_momentum_step_on_integers(const tfoa_slice *slice, const float *grad_z, const tfoa_operand *x, int32_t rows,
                                           float rate, float *velocity);
void tfoa_weight_normalized_step_on_integers(const tfoa_slice *slice, const float *grad_z, const tfoa_operand *x, int32_t rows,
                                             float rate, float *power, int32_t *count);

/* Moments of Adam, and how many steps they have taken. */
typedef struct tfoa_moments {
    float *mean;
    float *variance;
    int32_t *count;
} tfoa_moments;

void tfoa_weight_adam_step(const tfoa_slice *slice, const float *grad_z, const tfoa_operand *x, int32_t rows, float rate,
                           const tfoa_moments *moments);
void tfoa_weight_adam_step_on_integers(const tfoa_slice *slice, const float *grad_z, const tfoa_operand *x, int32_t rows,
                                       float rate, const tfoa_moments *moments);
void tfoa_bias_adam_step(const tfoa_slice *slice, const float *grad_z, int32_t rows, float rate, const tfoa_moments *moments);

/* Signs of a row of latent values as bits (sign(0) = +1); returns sum |w|. */
float tfoa_pack_signs(const float *latent, int32_t ins, uint32_t *bits);

#ifdef __cplusplus
}
#endif

#endif
