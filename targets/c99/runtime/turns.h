/* Turns of slices: the active slice of each layer of a block is in RAM, all else in the storage. */
#ifndef TFOA_TURNS_H
#define TFOA_TURNS_H

#include "model.h"

/* A slice of a layer: the band of inputs and the outputs that it covers. */
typedef struct tfoa_part {
    int32_t band;
    int32_t first_in;
    int32_t row; /* weights of an output: inputs x taps */
    int32_t first_out;
    int32_t outs;
} tfoa_part;

tfoa_part tfoa_part_of(const tfoa_layer *layer, uint32_t turn);

/* The turn of the next step, or the first of those that it takes. */
uint32_t tfoa_next_turn(const tfoa_context *context);

/* What a step of `turn` takes: the block that is trained, or where layers take turns what moves one of them. */
const tfoa_block *tfoa_block_in(const tfoa_context *context, uint32_t turn);

/* The turn as slices count it: where layers take turns, all of them have theirs before the next slices do. */
uint32_t tfoa_slice_in(const tfoa_context *context, uint32_t turn);

/* Whether a slice of the layer is active. */
int tfoa_moves(const tfoa_context *context, const tfoa_layer *layer);

/* Read the slices of `turn` into the arena. */
tfoa_status tfoa_begin_turn(tfoa_context *context, uint32_t turn);

/* Write the active slices back: after this the state in the storage is whole, and no slice is active. */
tfoa_status tfoa_end_turn(tfoa_context *context);

/* Forget the active slices: training stands where the storage has it. Returns TFOA_ERROR_NOT_FINITE, which is the reason. */
tfoa_status tfoa_give_up_turn(tfoa_context *context);

/* Read one slice into the arena, and derive its bits and sums; TFOA_ERROR_DAMAGED where its checksum is wrong. */
tfoa_status tfoa_load_slice(tfoa_context *context, const tfoa_layer *layer, uint32_t turn);

/* Slices of the same outputs share their biases: the newest are at home, not in the record. */
tfoa_status tfoa_load_bias(tfoa_context *context, const tfoa_layer *layer, uint32_t turn);

/* Where bits and sums of a slice lie in the storage, in bytes; num_words are those of the bits. */
typedef struct tfoa_signs {
    uint32_t bits;
    uint32_t num_words;
    uint32_t sums;
} tfoa_signs;

tfoa_signs tfoa_signs_of(const tfoa_layer *layer, uint32_t turn);

/* Word of the header with the checksum of the biases that a turn trains. */
uint32_t tfoa_bias_check(const tfoa_layer *layer, uint32_t turn);

/* After a power cut: write bits, sums and biases of the turn that ended last again. */
tfoa_status tfoa_redo_turn(tfoa_context *context, uint32_t turn);

/* Words that the bits of a row take within a band. */
uint32_t tfoa_row_words(const tfoa_layer *layer, int32_t band);

/* Where the bits of a band begin in the storage, in bytes. */
uint32_t tfoa_band_offset(const tfoa_layer *layer, int32_t band);

#endif
