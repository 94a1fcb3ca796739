/* Which of the two headers counts; nothing in them is trusted before it is checked. */
#include "checksum.h"
#include "header.h"
#include "record.h"
#include "storage.h"

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
        const int is_wrong = (i == TFOA_WORD_MAGIC && word != TFOA_MAGIC) ||
                             (i == TFOA_WORD_FORMAT && word != TFOA_STATE_FORMAT) || (i == TFOA_WORD_ID && word != model->id) ||
                             (i == TFOA_WORD_BLOCK && word > model->num_blocks);
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
    const uint32_t count = tfoa_num_slices(layer) + 1u;
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
