/* The record of a slice: all that its training needs, in the arena while it has its turn, else in a slot of the storage.
 *
 * It holds, as words: latent values, the optimizer's states, biases, their states, and the step counts. Its checksum is in the
 * header. */
#ifndef TFOA_RECORD_H
#define TFOA_RECORD_H

#include "model.h"
#include "turns.h"

/* Words that so many latent values of a layer take. */
uint32_t tfoa_latent_words(const tfoa_layer *layer, uint32_t num_weights);

/* Slices of a layer. */
uint32_t tfoa_num_slices(const tfoa_layer *layer);

/* Read the record of the slice that has the turn into the arena; TFOA_ERROR_DAMAGED where it is not the one that was written. */
tfoa_status tfoa_load_record(const tfoa_context *context, const tfoa_layer *layer, uint32_t turn);

/* Write it to the free slot. */
tfoa_status tfoa_store_record(const tfoa_context *context, const tfoa_layer *layer, uint32_t turn);

/* Of the record in the arena, and of the biases in it. */
uint32_t tfoa_record_checksum(const tfoa_context *context, const tfoa_layer *layer, uint32_t turn);
uint32_t tfoa_bias_checksum(const tfoa_context *context, const tfoa_layer *layer, uint32_t turn);

/* Whether no number of the record in the arena is NaN or infinite. */
int tfoa_record_is_finite(const tfoa_context *context, const tfoa_layer *layer, uint32_t turn);

#endif
