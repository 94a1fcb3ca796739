/* Kernels over latent weights as onnxruntime has them: inputs x outputs, so that an output is a column and neighbours in memory
 * are neighbouring outputs. Each call takes a block of outputs, and blocks are what threads share. Rows of bits are as in
 * c99/kernels/kernels.h. */
#ifndef TFOA_COLUMNS_H
#define TFOA_COLUMNS_H

#include <stdint.h>

enum {
    TFOA_BLOCK = 16,      /* outputs of a block of a step */
    TFOA_WIDE_BLOCK = 32, /* outputs of a block of a step on few samples */
    TFOA_PACK_BLOCK = 64, /* outputs of a block of signs */
    TFOA_GROUP = 4,       /* samples whose bits are looked up together */
    TFOA_PASS_ROWS = 128  /* samples of one walk through the weights */
};

#define TFOA_GROUPS(rows) (((rows) + TFOA_GROUP - 1) / TFOA_GROUP)

/* Bits of x with samples side by side: word [i / 8][group] holds, four bits each, inputs i to i + 7 of a group's four samples. */
void tfoa_turn_bits(const uint32_t *x, int32_t x_words, int32_t rows, int32_t first_in, int32_t ins, uint32_t *turned);

/* Real x with samples side by side: four inputs from `in` on of all samples, (rows, 4), zero where there are no more inputs. */
void tfoa_turn_reals(const float *x, int32_t x_stride, int32_t rows, int32_t ins, int32_t in, float *turned);

/* A step of one slice. w_next may be w; where w is NULL it is the gradient alone. */
typedef struct tfoa_columns_step {
    const float *w;
    float *w_next;
    uint32_t *bits;            /* signs of w_next as rows of bits, or NULL */
    float *abs_sums;           /* sum |w_next| of each output, where there are bits */
    const float *errors;       /* rows x error_stride, the slice's first output in column 0 */
    const uint32_t *turned;    /* of bits, or NULL */
    const float *turned_reals; /* four inputs after the other, each as tfoa_turn_reals leaves them */
    int32_t rows, ins, outs, error_stride;
    float factor; /* what errors are multiplied by: -rate * scale */
    float center; /* taken off each bit */
    float limit;
    float *squares; /* of steps of one length, else NULL: the sum of the squares of the gradient in each TFOA_BLOCK outputs */
    float share;    /* of such a step: what the gradient is multiplied by, the factor being -scale ... */
    float longest;  /* ... and how far a weight moves at most */
} tfoa_columns_step;

/* w_next = clip(w + factor * sum over samples of (x - center) errors), outputs [first, first + TFOA_BLOCK). With squares there
 * are at most TFOA_PASS_ROWS samples. */
void tfoa_step_on_bits(const tfoa_columns_step *step, int32_t first);
void tfoa_step_on_reals(const tfoa_columns_step *step, int32_t first);

/* The same for at most TFOA_GROUP samples, outputs [first, first + TFOA_WIDE_BLOCK): weights are read and written as they lie. */
void tfoa_step_on_few(const tfoa_columns_step *step, int32_t first);

/* Signs of w (inputs x outputs) as rows of bits, and sum |w| of each output, for outputs [first, first + TFOA_PACK_BLOCK). */
void tfoa_pack_columns(const float *w, int32_t ins, int32_t outs, int32_t first, uint32_t *bits, float *abs_sums);

/* h = 1[z > 0] and, where window is given, 1[floor < z < 1], of one row; returns the sum of |z|. */
float tfoa_activate_row(const float *z, int32_t units, float floor, uint32_t *h, uint32_t *window);

/* One row of numbers times bits, from bit `first` of a row of `words` on; y may be x. */
void tfoa_mask_row(const float *x, int32_t count, const uint32_t *bits, int32_t words, int32_t first, float *y);

/* The sum of the numbers whose bit is one. */
float tfoa_sum_where(const float *numbers, int32_t count, const uint32_t *bits, int32_t words);

/* As tfoa_quantize of the C99 kernels, to the same bits. */
float tfoa_quantize_row(const float *x, int32_t n, int16_t *q);

/* Rows of bits times weights (inputs x outputs) in float32: z[row][out] += sum over the ones of x, outputs [first, first +
 * TFOA_BLOCK). */
typedef struct tfoa_bits_product {
    const uint32_t *x;
    const float *w;
    float *z;
    int32_t rows, x_words, first_in, ins, outs;
    int32_t z_stride; /* z begins at the column of output 0 */
} tfoa_bits_product;

void tfoa_multiply_bits(const tfoa_bits_product *product, int32_t first);

/* grad_x = gain * errors . signs, for 32 inputs from `first` on: what a head or a layer sends back. A slice may be apart, and in
 * its place the bits of signs are zeros. */
typedef struct tfoa_back_product {
    const float *errors;   /* rows x outs */
    const uint32_t *signs; /* outs x words */
    const uint32_t *slice; /* slice_outs x slice_words, or NULL */
    float *grad_x;         /* rows x ins */
    int32_t rows, outs, words;
    int32_t first_in, ins; /* those that are computed */
    int32_t slice_first_in, slice_first_out, slice_outs, slice_words;
    float gain;
} tfoa_back_product;

void tfoa_send_back_errors(const tfoa_back_product *product, int32_t first);

/* Weights that are whole numbers of 8 or 16 bits; q_next may be q. Places count outputs one after the other (docs/training.md).
 */
typedef struct tfoa_integer_columns {
    const void *q;
    void *q_next;
    int32_t is_wide; /* whether they take 16 bits */
    int32_t ins, outs, most;
    uint32_t word; /* what all draws of the step begin with */
} tfoa_integer_columns;

/* q_next = clip(q + floor(u - change)) of weights [first, first + count), which may be parts of several rows. */
void tfoa_move_columns(const tfoa_integer_columns *w, int64_t first, int32_t count, const float *changes);

/* Signs and sums of |q| times the quantum, as tfoa_pack_columns. */
void tfoa_pack_integer_columns(const tfoa_integer_columns *w, float quantum, int32_t first, uint32_t *bits, float *abs_sums);

/* reals = q * quantum, of weights [first, end). */
void tfoa_read_integer_columns(const tfoa_integer_columns *w, float quantum, int64_t first, int64_t end, float *reals);

/* What an update by a gradient reads and writes; `mean` is momentum's velocity too. Where w is NULL it is the change alone, less
 * than nothing. */
typedef struct tfoa_moments_update {
    const float *w, *grad, *mean, *variance;
    float *w_next, *mean_next, *variance_next;
    float rate, limit;
    float bias_mean, bias_variance; /* what Adam divides its moments by */
} tfoa_moments_update;

/* What steps of one length read and write. */
typedef struct tfoa_length_update {
    const float *w, *grad;
    float *w_next;
    float factor, longest, limit; /* what gradients are multiplied by, and how far a weight moves at most */
} tfoa_length_update;

/* Returns the sum of the squares of the gradients. */
float tfoa_update_by_length(const tfoa_length_update *update, int64_t first, int64_t end);

void tfoa_update_by_momentum(const tfoa_moments_update *update, int64_t first, int64_t end);
void tfoa_update_by_adam(const tfoa_moments_update *update, int64_t first, int64_t end);

/* 32 bits of a row from bit `first` on; zero behind the row's end. */
static inline uint32_t tfoa_bits_from(const uint32_t *row, int32_t words, int32_t first)
{
    const int32_t word = first / 32, shift = first % 32;
    uint32_t bits = word < words ? row[word] >> shift : 0u;
    if (shift != 0 && word + 1 < words) {
        bits |= row[word + 1] << (32 - shift);
    }
    return bits;
}

#endif
