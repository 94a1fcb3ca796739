/* What products of convolutions with signs share: rows wherever they lie, and sums that become z in their place. */
#ifndef TFOA_CONV_ROWS_H
#define TFOA_CONV_ROWS_H

#include "layer_walk.h"

/* One sample that signs are multiplied with: bits, of which there are two planes where it is of levels, or 16-bit integers where
 * they are NULL. */
typedef struct tfoa_conv_input {
    const tfoa_conv_shape *shape;
    const uint32_t *bits;
    const int16_t *q;
    int32_t planes;
} tfoa_conv_input;

/* Words of a plane of bits. */
static inline int32_t tfoa_plane_words(const tfoa_conv_shape *shape)
{
    return TFOA_WORDS(shape->in_channels * shape->window.in_size[0] * shape->window.in_size[1]);
}

/* sums = the row of an output times the sample, at all positions. */
tfoa_status tfoa_sign_row_sums(const tfoa_view *view, const tfoa_conv_input *x, int32_t out, int32_t *sums);

/* z = sum * step * (alpha * scale) + b, for all outputs of one sample, whose sums of 32 bits lie where z does. */
tfoa_status tfoa_scale_conv_sums(const tfoa_view *view, float step, float scale, float *z);

#endif
