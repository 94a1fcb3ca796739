/* How a slice comes into RAM and goes back.
 *
 * A turn ends in three moves: the record goes to the free slot, the header makes it the slice, and bits, sums and biases, which
 * products read where they lie, follow. Where the power is cut before the second, nothing has happened; where it is cut after it,
 * the third is done again. */
#include "turns.h"

#include <string.h>

#include "../kernels/kernels.h"
#include "finite.h"
#include "header.h"
#include "record.h"
#include "storage.h"

uint32_t tfoa_next_turn(const tfoa_context *context)
{
    const tfoa_block *block = &context->model->blocks[context->block];
    const uint32_t moved = block->slices_per_step == 0u ? 1u : block->slices_per_step;
    return context->step / context->rotate_every % block->num_slices * moved % block->num_slices;
}

const tfoa_block *tfoa_block_in(const tfoa_context *context, uint32_t turn)
{
    const tfoa_block *block = &context->model->blocks[context->block];
    return block->num_steps == 0u ? block : &block->steps[turn % block->num_steps];
}

uint32_t tfoa_slice_in(const tfoa_context *context, uint32_t turn)
{
    const uint32_t num_steps = context->model->blocks[context->block].num_steps;
    return num_steps == 0u ? turn : turn / num_steps;
}

int tfoa_moves(const tfoa_context *context, const tfoa_layer *layer)
{
    if (context->turn < 0 || layer->block != context->block) {
        return 0;
    }
    const tfoa_block *block = tfoa_block_in(context, (uint32_t)context->turn);
    return layer >= block->layers && layer < block->layers + block->num_layers; /* of one array, as they are of one block */
}

tfoa_part tfoa_part_of(const tfoa_layer *layer, uint32_t turn)
{
    const int32_t slice = (int32_t)(turn % (uint32_t)(layer->num_bands * layer->num_out_parts));
    const int32_t band = slice % layer->num_bands;
    const int32_t out_part = slice / layer->num_bands;
    const int32_t row = (layer->ins[band + 1] - layer->ins[band]) * layer->taps;
    const tfoa_part part = {band, layer->ins[band], row, layer->outs[out_part],
                            layer->outs[out_part + 1] - layer->outs[out_part]};
    return part;
}

uint32_t tfoa_row_words(const tfoa_layer *layer, int32_t band)
{
    return (uint32_t)TFOA_WORDS((layer->ins[band + 1] - layer->ins[band]) * layer->taps);
}

uint32_t tfoa_band_offset(const tfoa_layer *layer, int32_t band)
{
    uint32_t words = 0;
    for (int32_t b = 0; b < band; b++) {
        words += tfoa_row_words(layer, b) * (uint32_t)layer->outs[layer->num_out_parts];
    }
    return layer->kept.bits + 4u * words;
}

/* Bits and sums are functions of the latent values, and so need not be read. */
static void derive_signs(tfoa_context *context, const tfoa_layer *layer, const tfoa_part *part)
{
    uint8_t *arena = context->arena;
    if (layer->resident.bits != TFOA_NONE) {
        const float *latent = (const float *)(void *)(arena + layer->resident.latent);
        uint32_t *bits = (uint32_t *)(void *)(arena + layer->resident.bits);
        float *sums = (float *)(void *)(arena + layer->resident.sums);
        for (int32_t out = 0; out < part->outs; out++) {
            uint32_t *row = bits + out * TFOA_WORDS(part->row);
            const uint32_t first = (uint32_t)(out * part->row);
            sums[out] = layer->integers == NULL ? tfoa_pack_signs(latent + first, part->row, row)
                                                : layer->integers->pack(layer->integers, latent, first, part->row, row);
        }
    }
    if (layer->resident.origin != TFOA_NONE) {
        const int32_t origin[4] = {part->first_in, part->first_out, part->row / layer->taps, part->outs};
        memcpy(arena + layer->resident.origin, origin, sizeof origin);
    }
}

tfoa_status tfoa_load_slice(tfoa_context *context, const tfoa_layer *layer, uint32_t turn)
{
    const tfoa_part part = tfoa_part_of(layer, turn);
    const tfoa_status status = tfoa_load_record(context, layer, turn);
    if (status == TFOA_OK) {
        derive_signs(context, layer, &part);
    }
    return status;
}

tfoa_status tfoa_load_bias(tfoa_context *context, const tfoa_layer *layer, uint32_t turn)
{
    const tfoa_part part = tfoa_part_of(layer, turn);
    uint32_t checksum;
    if (layer->resident.bias == TFOA_NONE) {
        return TFOA_OK;
    }
    const uint32_t offset = layer->kept.bias + 4u * (uint32_t)part.first_out;
    tfoa_status status = tfoa_load(&context->storage, offset, context->arena + layer->resident.bias, (uint32_t)part.outs);
    if (status == TFOA_OK) {
        status = tfoa_header_word(context, tfoa_bias_check(layer, turn), &checksum);
    }
    if (status != TFOA_OK) {
        return status;
    }
    return checksum == tfoa_bias_checksum(context, layer, turn) ? TFOA_OK : TFOA_ERROR_DAMAGED;
}

uint32_t tfoa_bias_check(const tfoa_layer *layer, uint32_t turn)
{
    const uint32_t slice = turn % tfoa_num_slices(layer);
    return layer->kept.checks + tfoa_num_slices(layer) + slice / (uint32_t)layer->num_bands;
}

tfoa_signs tfoa_signs_of(const tfoa_layer *layer, uint32_t turn)
{
    const tfoa_part part = tfoa_part_of(layer, turn);
    const uint32_t row_words = tfoa_row_words(layer, part.band);
    const uint32_t num_outs = (uint32_t)layer->outs[layer->num_out_parts];
    const uint32_t first = (uint32_t)part.first_out;
    const tfoa_signs at = {tfoa_band_offset(layer, part.band) + 4u * row_words * first, row_words * (uint32_t)part.outs,
                           layer->kept.sums + 4u * ((uint32_t)part.band * num_outs + first)};
    return at;
}

/* Bits, sums and biases of the active slice to where products read them. */
static tfoa_status store_derived(tfoa_context *context, const tfoa_layer *layer, uint32_t turn)
{
    const tfoa_part part = tfoa_part_of(layer, turn);
    const uint32_t outs = (uint32_t)part.outs;
    tfoa_status status = TFOA_OK;
    if (layer->resident.bits != TFOA_NONE) {
        const tfoa_signs at = tfoa_signs_of(layer, turn);
        status = tfoa_store(&context->storage, at.bits, context->arena + layer->resident.bits, at.num_words);
        if (status == TFOA_OK) {
            status = tfoa_store(&context->storage, at.sums, context->arena + layer->resident.sums, outs);
        }
    }
    if (status == TFOA_OK && layer->resident.bias != TFOA_NONE) {
        const uint32_t bias = layer->kept.bias + 4u * (uint32_t)part.first_out;
        status = tfoa_store(&context->storage, bias, context->arena + layer->resident.bias, outs);
    }
    return status;
}

static tfoa_status load_statistics(tfoa_context *context, const tfoa_block *block)
{
    tfoa_status status = TFOA_OK;
    for (uint32_t i = 0; i < block->num_statistics && status == TFOA_OK; i++) {
        const tfoa_statistic *statistic = &block->statistics[i];
        float *values = (float *)(void *)(context->arena + statistic->place);
        status = tfoa_kept_statistic(context, statistic, 0u, statistic->count, values);
    }
    return status;
}

tfoa_status tfoa_begin_turn(tfoa_context *context, uint32_t turn)
{
    const tfoa_block *block = tfoa_block_in(context, turn);
    const uint32_t slice = tfoa_slice_in(context, turn);
    tfoa_status status = load_statistics(context, block);
    for (uint32_t i = 0; i < block->num_layers && status == TFOA_OK; i++) {
        status = tfoa_load_slice(context, &block->layers[i], slice);
        if (status == TFOA_OK) {
            status = tfoa_load_bias(context, &block->layers[i], slice);
        }
    }
    context->turn = status == TFOA_OK ? (int32_t)turn : -1;
    return status;
}

/* Whether all that the turn leaves may become the state. */
static int is_finite(const tfoa_context *context, const tfoa_block *block, uint32_t slice)
{
    int is_so = 1;
    for (uint32_t i = 0; i < block->num_statistics && is_so; i++) {
        is_so = tfoa_are_finite(context->arena + block->statistics[i].place, block->statistics[i].count);
    }
    for (uint32_t i = 0; i < block->num_layers && is_so; i++) {
        is_so = tfoa_record_is_finite(context, &block->layers[i], slice);
    }
    return is_so;
}

tfoa_status tfoa_give_up_turn(tfoa_context *context)
{
    context->turn = -1;
    context->calibrated = 0;
    const tfoa_status status = tfoa_read_progress(context);
    return status == TFOA_OK ? TFOA_ERROR_NOT_FINITE : status;
}

tfoa_status tfoa_end_turn(tfoa_context *context)
{
    if (context->turn < 0) {
        return TFOA_OK;
    }
    const tfoa_block *block = tfoa_block_in(context, (uint32_t)context->turn);
    const uint32_t slice = tfoa_slice_in(context, (uint32_t)context->turn);
    if (!is_finite(context, block, slice)) {
        return tfoa_give_up_turn(context);
    }
    tfoa_status status = TFOA_OK;
    for (uint32_t i = 0; i < block->num_layers && status == TFOA_OK; i++) {
        status = tfoa_store_record(context, &block->layers[i], slice);
    }
    if (status == TFOA_OK) {
        status = tfoa_commit(context, context->turn);
    }
    for (uint32_t i = 0; i < block->num_layers && status == TFOA_OK; i++) {
        status = store_derived(context, &block->layers[i], slice);
    }
    if (status == TFOA_OK) {
        context->turn = -1;
    }
    return status;
}

tfoa_status tfoa_redo_turn(tfoa_context *context, uint32_t turn)
{
    const tfoa_block *block = tfoa_block_in(context, turn);
    const uint32_t slice = tfoa_slice_in(context, turn);
    tfoa_status status = TFOA_OK;
    for (uint32_t i = 0; i < block->num_layers && status == TFOA_OK; i++) {
        status = tfoa_load_slice(context, &block->layers[i], slice);
        if (status == TFOA_OK) {
            status = store_derived(context, &block->layers[i], slice);
        }
    }
    return status;
}
