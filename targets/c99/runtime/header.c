/* Two headers in turns: a power cut while one is written leaves the other. */
#include "header.h"

#include <string.h>

#include "storage.h"

tfoa_status tfoa_header_word(const tfoa_context *context, uint32_t word, uint32_t *value)
{
    return tfoa_load(&context->storage, context->header_offset + 4u * word, value, 1);
}

tfoa_status tfoa_kept_scale(const tfoa_context *context, uint32_t number, float *scale)
{
    return tfoa_load(&context->storage, context->header_offset + 4u * (TFOA_WORD_SCALES + number), scale, 1);
}

tfoa_status tfoa_kept_statistic(const tfoa_context *context, const tfoa_statistic *statistic, uint32_t first, uint32_t count,
                                float *values)
{
    const uint32_t offset = context->header_offset + 4u * (statistic->word + first);
    return tfoa_load(&context->storage, offset, values, count);
}

/* Whether the header at `offset` is whole and of this model; its sequence number, if it is. */
static tfoa_status check_header(const tfoa_context *context, uint32_t offset, uint32_t *sequence, int *is_valid)
{
    const tfoa_model *model = context->model;
    uint32_t crc = 0;
    uint32_t word = 0;
    *is_valid = 1;
    for (uint32_t i = 0; i < model->header_words; i++) {
        const tfoa_status status = tfoa_load(&context->storage, offset + 4u * i, &word, 1);
        if (status != TFOA_OK) {
            return status;
        }
        if (i + 1u < model->header_words) {
            crc = tfoa_crc32(crc, word);
        }
        const int is_wrong = (i == TFOA_WORD_MAGIC && word != TFOA_MAGIC) || (i == TFOA_WORD_FORMAT && word != TFOA_STATE_FORMAT)
                             || (i == TFOA_WORD_ID && word != model->id)
                             || (i == TFOA_WORD_BLOCK && word > model->num_blocks);
        if (is_wrong) {
            *is_valid = 0;
            return TFOA_OK;
        }
        *sequence = i == TFOA_WORD_SEQUENCE ? word : *sequence;
    }
    *is_valid = word == crc;
    return TFOA_OK;
}

/* The slot numbers of each layer are a permutation: a forged header must not lead outside the slots. */
static tfoa_status check_map(const tfoa_context *context, const tfoa_layer *layer, int *is_valid)
{
    const uint32_t count = (uint32_t)(layer->num_bands * layer->num_out_parts) + 1u;
    for (uint32_t i = 0; i < count && *is_valid; i++) {
        uint32_t slot;
        tfoa_status status = tfoa_header_word(context, layer->kept.map + i, &slot);
        *is_valid = status == TFOA_OK && slot < count;
        for (uint32_t k = 0; k < i && *is_valid && status == TFOA_OK; k++) {
            uint32_t other;
            status = tfoa_header_word(context, layer->kept.map + k, &other);
            *is_valid = other != slot;
        }
        if (status != TFOA_OK) {
            return status;
        }
    }
    return TFOA_OK;
}

static tfoa_status check_maps(const tfoa_context *context, int *is_valid)
{
    for (uint32_t b = 0; b < context->model->num_blocks; b++) {
        const tfoa_block *block = &context->model->blocks[b];
        for (uint32_t i = 0; i < block->num_layers; i++) {
            const tfoa_status status = check_map(context, &block->layers[i], is_valid);
            if (status != TFOA_OK || !*is_valid) {
                return status;
            }
        }
    }
    return TFOA_OK;
}

tfoa_status tfoa_find_header(tfoa_context *context)
{
    int is_found = 0;
    for (uint32_t i = 0; i < 2u; i++) {
        const uint32_t offset = i * context->model->header_stride;
        uint32_t sequence = 0;
        int is_valid;
        const tfoa_status status = check_header(context, offset, &sequence, &is_valid);
        if (status != TFOA_OK) {
            return status;
        }
        /* Sequence numbers wrap around: the newer one is less than half of all numbers ahead. */
        if (is_valid && (!is_found || sequence - context->sequence < 0x80000000u)) {
            context->header_offset = offset;
            context->sequence = sequence;
            is_found = 1;
        }
    }
    if (is_found) {
        const tfoa_status status = check_maps(context, &is_found);
        if (status != TFOA_OK) {
            return status;
        }
    }
    return is_found ? TFOA_OK : TFOA_ERROR_STATE;
}

/* What a word of the map becomes when the turn `ended` ends: its slice and the free slot change places. */
static tfoa_status mapped_word(const tfoa_context *context, uint32_t word, uint32_t ended, uint32_t *value)
{
    const tfoa_block *block = &context->model->blocks[context->block];
    for (uint32_t i = 0; i < block->num_layers; i++) {
        const tfoa_layer *layer = &block->layers[i];
        const uint32_t count = (uint32_t)(layer->num_bands * layer->num_out_parts);
        const uint32_t slice = layer->kept.map + ended % count;
        const uint32_t free_slot = layer->kept.map + count;
        if (word == slice) {
            return tfoa_header_word(context, free_slot, value);
        }
        if (word == free_slot) {
            return tfoa_header_word(context, slice, value);
        }
    }
    return TFOA_OK;
}

/* The word of the header where a block whose turn ends has it in the arena; NULL where it has not. */
static const uint8_t *word_in_arena(const tfoa_context *context, uint32_t word)
{
    const tfoa_block *block = &context->model->blocks[context->block];
    if (block->scale != TFOA_NONE && word == TFOA_WORD_SCALES + block->scale_number) {
        return context->arena + block->scale;
    }
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
    const uint8_t *resident = word_in_arena(context, word);
    if (resident != NULL) {
        memcpy(value, resident, 4);
        return TFOA_OK;
    }
    return mapped_word(context, word, (uint32_t)ended, value);
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
