/* Two headers in turns: a power cut while one is written leaves the other. */
#include "header.h"

#include <string.h>

#include "checksum.h"
#include "record.h"
#include "storage.h"

tfoa_status tfoa_header_word(const tfoa_context *context, uint32_t word, uint32_t *value)
{
    return tfoa_load(&context->storage, context->header_offset + 4u * word, value, 1);
}

tfoa_status tfoa_kept_statistic(const tfoa_context *context, const tfoa_statistic *statistic, uint32_t first, uint32_t count,
                                float *values)
{
    const uint32_t offset = context->header_offset + 4u * (statistic->word + first);
    return tfoa_load(&context->storage, offset, values, count);
}

tfoa_status tfoa_read_progress(tfoa_context *context)
{
    tfoa_status status = tfoa_header_word(context, TFOA_WORD_BLOCK, &context->block);
    if (status == TFOA_OK) {
        status = tfoa_header_word(context, TFOA_WORD_STEP, &context->step);
    }
    return status == TFOA_OK ? tfoa_header_word(context, TFOA_WORD_TOTAL_STEPS, &context->total_steps) : status;
}

int tfoa_is_done(const tfoa_context *context)
{
    return context->block >= context->model->num_blocks;
}

/* What a word of a layer becomes when `turn` ends: slice and free slot change places, and what is new has new
 * checksums. */
static tfoa_status layer_word(const tfoa_context *context, uint32_t word, uint32_t turn, uint32_t *value)
{
    const tfoa_block *block = tfoa_block_in(context, turn);
    const uint32_t ended = tfoa_slice_in(context, turn);
    for (uint32_t i = 0; i < block->num_layers; i++) {
        const tfoa_layer *layer = &block->layers[i];
        const uint32_t count = tfoa_num_slices(layer);
        const uint32_t slice = layer->kept.map + ended % count;
        const uint32_t free_slot = layer->kept.map + count;
        if (word == slice) {
            return tfoa_header_word(context, free_slot, value);
        }
        if (word == free_slot) {
            return tfoa_header_word(context, slice, value);
        }
        if (word == layer->kept.checks + ended % count) {
            *value = tfoa_record_checksum(context, layer, ended);
        } else if (layer->resident.bias != TFOA_NONE && word == tfoa_bias_check(layer, ended)) {
            *value = tfoa_bias_checksum(context, layer, ended);
        }
    }
    return TFOA_OK;
}

const uint8_t *tfoa_word_in_arena(const tfoa_context *context, uint32_t word)
{
    const tfoa_block *block = tfoa_block_in(context, (uint32_t)context->turn);
    for (uint32_t i = 0; i < block->num_statistics; i++) {
        const tfoa_statistic *statistic = &block->statistics[i];
        if (word >= statistic->word && word - statistic->word < statistic->count) {
            return context->arena + statistic->place + 4u * (word - statistic->word);
        }
    }
    return NULL;
}

static tfoa_status next_word(const tfoa_context *context, uint32_t word, int32_t ended, uint32_t *value)
{
    const tfoa_status status = tfoa_header_word(context, word, value);
    if (status != TFOA_OK) {
        return status;
    }
    switch (word) {
    case TFOA_WORD_SEQUENCE:
        *value = context->sequence + 1u;
        return TFOA_OK;
    case TFOA_WORD_BLOCK:
        *value = context->block;
        return TFOA_OK;
    case TFOA_WORD_STEP:
        *value = context->step;
        return TFOA_OK;
    case TFOA_WORD_TOTAL_STEPS:
        *value = context->total_steps;
        return TFOA_OK;
    case TFOA_WORD_TURN:
        *value = (uint32_t)(ended + 1);
        return TFOA_OK;
    default:
        break;
    }
    if (ended < 0) {
        return TFOA_OK;
    }
    const uint8_t *resident = tfoa_word_in_arena(context, word);
    if (resident != NULL) {
        memcpy(value, resident, 4);
        return TFOA_OK;
    }
    return layer_word(context, word, (uint32_t)ended, value);
}

tfoa_status tfoa_commit(tfoa_context *context, int32_t ended)
{
    const tfoa_model *model = context->model;
    const uint32_t target = context->header_offset == 0u ? model->header_stride : 0u;
    uint32_t crc = 0;
    for (uint32_t first = 0; first < model->header_words; first += TFOA_CHUNK) {
        uint32_t chunk[TFOA_CHUNK];
        uint32_t count = 0;
        for (; count < TFOA_CHUNK && first + count < model->header_words; count++) {
            const uint32_t word = first + count;
            if (word + 1u == model->header_words) {
                chunk[count] = crc;
                continue;
            }
            const tfoa_status status = next_word(context, word, ended, &chunk[count]);
            if (status != TFOA_OK) {
                return status;
            }
            crc = tfoa_crc32(crc, chunk[count]);
        }
        const tfoa_status status = tfoa_store(&context->storage, target + 4u * first, chunk, count);
        if (status != TFOA_OK) {
            return status;
        }
    }
    context->header_offset = target;
    context->sequence++;
    return TFOA_OK;
}
