/* What a generated model is made of: constant data, read by the runtime. */
#ifndef TFOA_MODEL_H
#define TFOA_MODEL_H

#include "../kernels/floating_point.h"
#include "../kernels/integers.h"
#include "../tinyfoa.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TFOA_NONE UINT32_MAX
#define TFOA_MAX_STATES 2
#define TFOA_NUM_NUMBERS 4

/* Where the active slice of a layer lies in the arena, in bytes; TFOA_NONE for what the layer has not. */
typedef struct tfoa_resident {
    uint32_t latent;
    uint32_t states[TFOA_MAX_STATES]; /* of the optimizer, each like the latent values */
    uint32_t bias;
    uint32_t bias_states[TFOA_MAX_STATES];
    uint32_t numbers[TFOA_NUM_NUMBERS]; /* of the slice: how many steps its weights and biases have taken, and one more of each */
    uint32_t bits;
    uint32_t sums;
    uint32_t origin; /* first input, first output, number of inputs and of outputs */
} tfoa_resident;

/* Where a layer lies in the storage, in bytes.
 *
 * Latent values are kept slice by slice, each in one of count + 1 slots: a slice that ends its turn is written to the free slot,
 * and the header, which says who is where, makes that the slice in one write. Bits lie band after band (a band is a column of
 * slices), row after row, every row from a word on: the bits of a slice are one piece. */
typedef struct tfoa_kept {
    uint32_t slots;
    uint32_t slot_nbytes;
    uint32_t map;    /* first word of the layer's map in the header: the slot of each slice, then the free one */
    uint32_t checks; /* first word of its checksums there: of the record of each slice, then of the biases of each part of the
                        outputs */
    uint32_t bits;   /* TFOA_NONE where products use the latent values */
    uint32_t sums;   /* sum |w|, bands x outputs */
    uint32_t bias;
} tfoa_kept;

/* A trained layer, z = x W^T + b or a convolution. Bounds cut inputs (of a convolution: of one of its groups) and outputs into
 * the slices. A row of weights has all taps of one input after those of the one before.
 *
 * A tensor that steps change and the block keeps for its method, such as a head that learns, is a layer of one slice. */
typedef struct tfoa_layer {
    int32_t num_bands;
    int32_t num_out_parts;
    const int32_t *ins;
    const int32_t *outs;
    int32_t taps;      /* of a kernel; 1 where dense */
    int32_t positions; /* of an output; 1 where dense */
    int32_t num_states;
    int32_t is_tensor_alpha; /* alpha is the mean |w| of the whole layer, not of each output */
    uint32_t block;
    tfoa_resident resident;
    tfoa_kept kept;
    const tfoa_integers *integers; /* NULL, as where it is left out: latent values are float */
} tfoa_layer;

/* What follows what a block sees, mean or variance of a batch normalization or the scale of an activation: in the arena while the
 * block has its turn, and in the header from a word on. */
typedef struct tfoa_statistic {
    uint32_t place;
    uint32_t word;
    uint32_t count;
} tfoa_statistic;

/* A block: its step, and what the step reads and writes in the arena, in bytes. */
typedef struct tfoa_block {
    tfoa_status (*step)(tfoa_context *context);
    const tfoa_layer *layers;
    uint32_t num_layers;
    uint32_t num_slices; /* turns until the first slice has another */
    uint32_t base;       /* of the part that the forward pass and the step share */
    uint32_t target;
    uint32_t rate;
    uint32_t loss;
    const tfoa_statistic *statistics; /* of its batch normalizations three each, then the scales of its activations */
    uint32_t num_statistics;
    float starting_rate;
    const struct tfoa_block *steps; /* where layers take turns: what a step of each takes, with that layer alone; else left out */
    uint32_t num_steps;
    tfoa_status (*update)(tfoa_context *context); /* where a step moves several slices: what the active ones take, and its end */
    uint32_t slices_per_step;                     /* 0, as where it is left out, for one */
} tfoa_block;

/* Bytes of the first state; what no piece covers is zero. */
typedef struct tfoa_piece {
    uint32_t offset;
    uint32_t num_words;
    const uint32_t *words;
} tfoa_piece;

struct tfoa_model {
    uint32_t id; /* of everything that the storage's layout depends on */
    uint32_t arena_nbytes;
    uint32_t storage_nbytes;
    uint32_t step_nbytes; /* of the storage: headers, bits, sums and biases */
    uint32_t header_words;
    uint32_t header_stride; /* bytes from the first header to the second */
    uint32_t num_scales;
    int32_t batch;
    int32_t input_size;
    uint32_t input; /* where a sample begins, from the base on */
    int32_t output_size;
    int32_t takes_vectors; /* targets are vectors */
    uint32_t rotate_every; /* steps that a slice stays */
    const tfoa_block *blocks;
    uint32_t num_blocks;
    const tfoa_piece *pieces; /* the header first; none where the state is delivered as a file */
    uint32_t num_pieces;
    /* Compute scores of `rows` samples at the input; says where in the arena they are. */
    tfoa_status (*forward)(tfoa_context *context, uint32_t base, int32_t rows, uint32_t *scores);
};

#ifdef __cplusplus
}
#endif

#endif
