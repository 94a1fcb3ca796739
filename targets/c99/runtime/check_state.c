/* Records and biases have checksums. Bits and sums follow from the records, so they are compared with what a record gives. */
#include "check_state.h"

#include <string.h>

#include "record.h"
#include "storage.h"
#include "turns.h"

static tfoa_status compare(const tfoa_context *context, uint32_t offset, const uint8_t *expected, uint32_t num_words)
{
    for (uint32_t done = 0; done < num_words;) {
        uint32_t chunk[TFOA_CHUNK];
        const uint32_t *words = chunk;
        const uint32_t count = tfoa_peek(&context->storage, offset + 4u * done, num_words - done, chunk, &words);
        if (count == 0u) {
            return TFOA_ERROR_STORAGE;
        }
        if (memcmp(words, expected + 4u * done, 4u * (size_t)count) != 0) {
            return TFOA_ERROR_DAMAGED;
        }
        done += count;
    }
    return TFOA_OK;
}

static tfoa_status check_signs(const tfoa_context *context, const tfoa_layer *layer, uint32_t slice)
{
    if (layer->resident.bits == TFOA_NONE) {
        return TFOA_OK;
    }
    const uint8_t *arena = context->arena;
    const tfoa_part part = tfoa_part_of(layer, slice);
    const tfoa_signs at = tfoa_signs_of(layer, slice);
    const tfoa_status status = compare(context, at.bits, arena + layer->resident.bits, at.num_words);
    return status == TFOA_OK ? compare(context, at.sums, arena + layer->resident.sums, (uint32_t)part.outs) : status;
}

static tfoa_status check_layer(tfoa_context *context, const tfoa_layer *layer)
{
    tfoa_status status = TFOA_OK;
    for (uint32_t slice = 0; slice < tfoa_num_slices(layer) && status == TFOA_OK; slice++) {
        status = tfoa_load_slice(context, layer, slice);
        if (status == TFOA_OK) {
            status = check_signs(context, layer, slice);
        }
        if (status == TFOA_OK) {
            status = tfoa_load_bias(context, layer, slice);
        }
    }
    return status;
}

tfoa_status tfoa_check_state(tfoa_context *context)
{
    tfoa_status status = TFOA_OK;
    for (uint32_t b = 0; b < context->model->num_blocks; b++) {
        const tfoa_block *block = &context->model->blocks[b];
        for (uint32_t i = 0; i < block->num_layers && status == TFOA_OK; i++) {
            status = check_layer(context, &block->layers[i]);
        }
    }
    return status;
}
