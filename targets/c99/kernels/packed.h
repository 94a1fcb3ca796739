/* Products of whole matrices with packed signs (bit 1 is +1, bit 0 is -1), built from the rows' products in kernels.h.
 *
 * Rows of bits begin at words, and bits beyond the end of a row of x are zero. Sums are exact while they fit into 32 bits: up to
 * 65,536 numbers of 16 bits. Every variant of a kernel gives the same integers. */
#ifndef TFOA_PACKED_H
#define TFOA_PACKED_H

#include "kernels.h"

typedef struct tfoa_packed_shape {
    int32_t batch;    /* rows of x */
    int32_t outputs;  /* rows of w */
    int32_t words;    /* of a row */
    int32_t x_stride; /* words from one row of x to the next */
    int32_t w_stride;
} tfoa_packed_shape;

/* dot[b][o] = sum over the ones of x[b] of the signs w[o] = 2 popcount(x[b] & w[o]) - popcount(x[b]). */
void tfoa_packed_matmul(const tfoa_packed_shape *shape, const uint32_t *x, const uint32_t *w, int32_t *dot);

typedef struct tfoa_signed_shape {
    int32_t batch;    /* rows of q */
    int32_t outputs;  /* rows of w */
    int32_t inputs;   /* numbers in a row of q, bits in a row of w */
    int32_t q_stride; /* numbers from one row of q to the next */
    int32_t w_stride; /* words from one row of w to the next */
} tfoa_signed_shape;

/* sums[b][o] = sum over i < inputs of q[b][i], negated where bit i of w[o] is 0. */
void tfoa_signed_matmul(const tfoa_signed_shape *shape, const int16_t *q, const uint32_t *w, int32_t *sums);

#endif
