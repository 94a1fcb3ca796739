/* A walk through the weights of a layer, part of a row after part of a row, wherever they lie. */
#ifndef TFOA_LAYER_WALK_H
#define TFOA_LAYER_WALK_H

#include "../kernels/conv_products.h"
#include "layer_view.h"

/* Latent values, slice by slice. Slices are counted along the inputs first: what is summed over the inputs of an output, or over
 * the outputs of an input, is summed in their order, however the layer is cut. */
typedef struct tfoa_weight_walk {
    const tfoa_view *view;
    uint32_t slice;
    tfoa_latent latent;
    int32_t row;        /* of the slice */
    tfoa_row_part part; /* where the weights belong */
    const void *weights;
    uint32_t chunk[TFOA_CHUNK];
    tfoa_status status;
} tfoa_weight_walk;

tfoa_weight_walk tfoa_walk_weights(const tfoa_view *view);

/* 1 while there is a part; its weights are words, to be copied out. 0 behind the last one, or where reading has failed: see the
 * status. */
int tfoa_next_weights(tfoa_weight_walk *walk);

/* Signs of outputs [first, end), output by output and band by band. */
typedef struct tfoa_sign_walk {
    const tfoa_view *view;
    int32_t end;
    int32_t band;
    tfoa_row_part part;
    const uint32_t *signs;
    float alphas[TFOA_CHUNK];
    uint32_t chunk[TFOA_CHUNK];
    tfoa_status status;
} tfoa_sign_walk;

tfoa_sign_walk tfoa_walk_signs(const tfoa_view *view, int32_t first, int32_t end);
int tfoa_next_signs(tfoa_sign_walk *walk);

/* The same through all outputs from 0 on; *alpha is that of the part's output. */
int tfoa_next_scaled_signs(tfoa_sign_walk *walk, float *alpha);

#endif
