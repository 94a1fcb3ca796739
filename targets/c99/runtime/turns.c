/* How a slice comes into RAM and goes back.
 *
 * A record in a slot holds, as floats: latent values, the optimizer's states, biases, their states, and the step counts. A turn ends in
 * three moves: the record goes to the free slot, the header makes it the slice, and bits, sums and biases, which products read where they
 * lie, follow. Where the power is cut before the second, nothing has happened; where it is cut after it, the third is done again. */
#include "turns.h"

#include <string.h>

#include "../kernels/kernels.h"
#include "header.h"
#include "storage.h"

tfoa_part tfoa_part_of(const tfoa_layer *layer, uint32_t turn)
{
    const int32_t slice = (int32_t)(turn % (uint32_t)(layer->num_bands * layer->num_out_parts));
    const int32_t band = slice % layer->num_bands;
    const int32_t out_part = slice / layer->num_bands;
    const int32_t row = (layer->ins[band + 1] - layer->ins[band]) * layer->taps;
    const tfoa_part part = {band, layer->ins[band], row, layer->outs[out_part], layer->outs[out_part + 1] - layer->outs[out_part]};
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

typedef tfoa_status (*transfer)(const tfoa_storage *storage, uint32_t offset, uint8_t *ram, uint32_t num_words);

static tfoa_status load(const tfoa_storage *storage, uint32_t offset, uint8_t *ram, uint32_t num_words)
{
    return tfoa_load(storage, offset, ram, num_words);
}

static tfoa_status store(const tfoa_storage *storage, uint32_t offset, uint8_t *ram, uint32_t num_words)
{
    return tfoa_store(storage, offset, ram, num_words);
}

/* Move a record between the arena and the slot at `offset`. */
static tfoa_status move_record(tfoa_context *context, const tfoa_layer *layer, const tfoa_part *part, uint32_t offset, transfer move)
{
    const tfoa_resident *at = &layer->resident;
    const uint32_t weights = (uint32_t)(part->row * part->outs);
    const uint32_t outs = (uint32_t)part->outs;
    const struct {
        uint32_t place;
        uint32_t num_words;
    } pieces[] = {{at->latent, weights},    {at->states[0], weights},    {at->states[1], weights},
                  {at->bias, outs},         {at->bias_states[0], outs},  {at->bias_states[1], outs},
                  {at->step_counts[0], 1u}, {at->step_counts[1], 1u}};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        if (pieces[i].place == TFOA_NONE) {
            continue;
        }
        const tfoa_status status = move(&context->storage, offset, context->arena + pieces[i].place, pieces[i].num_words);
        if (status != TFOA_OK) {
            return status;
        }
        offset += 4u * pieces[i].num_words;
    }
    return TFOA_OK;
}

/* Where the record of a slice lies, or with the number of slices as `slice` the free slot. */
static tfoa_status slot_offset(const tfoa_context *context, const tfoa_layer *layer, uint32_t slice, uint32_t *offset)
{
    uint32_t slot;
    const tfoa_status status = tfoa_header_word(context, layer->kept.map + slice, &slot);
    *offset = layer->kept.slots + slot * layer->kept.slot_nbytes;
    return status;
}

static uint32_t num_slices(const tfoa_layer *layer)
{
    return (uint32_t)(layer->num_bands * layer->num_out_parts);
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
            sums[out] = tfoa_pack_signs(latent + out * part->row, part->row, bits + out * TFOA_WORDS(part->row));
        }
    }
    if (layer->resident.origin != TFOA_NONE) {
        const int32_t origin[4] = {part->first_in, part->first_out, part->row / layer->taps, part->outs};
        memcpy(arena + layer->resident.origin, origin, sizeof origin);
    }
}

static tfoa_status load_slice(tfoa_context *context, const tfoa_layer *layer, uint32_t turn)
{
    const tfoa_part part = tfoa_part_of(layer, turn);
    uint32_t offset;
    tfoa_status status = slot_offset(context, layer, turn % num_slices(layer), &offset);
    if (status == TFOA_OK) {
        status = move_record(context, layer, &part, offset, load);
    }
    derive_signs(context, layer, &part);
    return status;
}

/* Slices of the same outputs share their biases: the newest are at home, not in the record. */
static tfoa_status load_bias(tfoa_context *context, const tfoa_layer *layer, uint32_t turn)
{
    const tfoa_part part = tfoa_part_of(layer, turn);
    if (layer->resident.bias == TFOA_NONE) {
        return TFOA_OK;
    }
    const uint32_t offset = layer->kept.bias + 4u * (uint32_t)part.first_out;
    return tfoa_load(&context->storage, offset, context->arena + layer->resident.bias, (uint32_t)part.outs);
}

/* Bits, sums and biases of the active slice to where products read them. */
static tfoa_status store_derived(tfoa_context *context, const tfoa_layer *layer, uint32_t turn)
{
    const tfoa_part part = tfoa_part_of(layer, turn);
    const uint32_t outs = (uint32_t)part.outs;
    const uint32_t first = (uint32_t)part.first_out;
    tfoa_status status = TFOA_OK;
    if (layer->resident.bits != TFOA_NONE) {
        const uint32_t row_words = tfoa_row_words(layer, part.band);
        const uint32_t bits = tfoa_band_offset(layer, part.band) + 4u * row_words * first;
        status = tfoa_store(&context->storage, bits, context->arena + layer->resident.bits, row_words * outs);
        if (status == TFOA_OK) {
            const uint32_t row = (uint32_t)part.band * (uint32_t)layer->outs[layer->num_out_parts];
            status = tfoa_store(&context->storage, layer->kept.sums + 4u * (row + first), context->arena + layer->resident.sums, outs);
        }
    }
    if (status == TFOA_OK && layer->resident.bias != TFOA_NONE) {
        status = tfoa_store(&context->storage, layer->kept.bias + 4u * first, context->arena + layer->resident.bias, outs);
    }
    return status;
}

static tfoa_status load_scale_and_statistics(tfoa_context *context, const tfoa_block *block)
{
    tfoa_status status = TFOA_OK;
    if (block->scale != TFOA_NONE) {
        status = tfoa_kept_scale(context, block->scale_number, (float *)(void *)(context->arena + block->scale));
    }
    for (uint32_t i = 0; i < block->num_statistics && status == TFOA_OK; i++) {
        const tfoa_statistic *statistic = &block->statistics[i];
        float *values = (float *)(void *)(context->arena + statistic->place);
        status = tfoa_kept_statistic(context, statistic, 0u, statistic->count, values);
    }
    return status;
}

tfoa_status tfoa_begin_turn(tfoa_context *context, uint32_t turn)
{
    const tfoa_block *block = &context->model->blocks[context->block];
    tfoa_status status = load_scale_and_statistics(context, block);
    for (uint32_t i = 0; i < block->num_layers && status == TFOA_OK; i++) {
        status = load_slice(context, &block->layers[i], turn);
        if (status == TFOA_OK) {
            status = load_bias(context, &block->layers[i], turn);
        }
    }
    context->turn = status == TFOA_OK ? (int32_t)turn : -1;
    return status;
}

tfoa_status tfoa_end_turn(tfoa_context *context)
{
    if (context->turn < 0) {
        return TFOA_OK;
    }
    const tfoa_block *block = &context->model->blocks[context->block];
    const uint32_t turn = (uint32_t)context->turn;
    tfoa_status status = TFOA_OK;
    for (uint32_t i = 0; i < block->num_layers && status == TFOA_OK; i++) {
        const tfoa_layer *layer = &block->layers[i];
        const tfoa_part part = tfoa_part_of(layer, turn);
        uint32_t offset;
        status = slot_offset(context, layer, num_slices(layer), &offset);
        if (status == TFOA_OK) {
            status = move_record(context, layer, &part, offset, store);
        }
    }
    if (status == TFOA_OK) {
        status = tfoa_commit(context, context->turn);
    }
    for (uint32_t i = 0; i < block->num_layers && status == TFOA_OK; i++) {
        status = store_derived(context, &block->layers[i], turn);
    }
    if (status == TFOA_OK) {
        context->turn = -1;
    }
    return status;
}

tfoa_status tfoa_redo_turn(tfoa_context *context, uint32_t turn)
{
    const tfoa_block *block = &context->model->blocks[context->block];
    tfoa_status status = TFOA_OK;
    for (uint32_t i = 0; i < block->num_layers && status == TFOA_OK; i++) {
        status = load_slice(context, &block->layers[i], turn);
        if (status == TFOA_OK) {
            status = store_derived(context, &block->layers[i], turn);
        }
    }
    return status;
}
