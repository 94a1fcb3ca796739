/* What is in RAM while a slice has its turn: the slice, for the updates, and the scales of its block. */
#include <string.h>

#include "header.h"
#include "products.h"
#include "storage.h"
#include "turns.h"

static float *floats(const tfoa_context *context, uint32_t offset)
{
    return offset == TFOA_NONE ? NULL : (float *)(void *)(context->arena + offset);
}

tfoa_slice tfoa_active_slice(const tfoa_context *context, const tfoa_layer *layer, int has_all_rows, float limit)
{
    const tfoa_part part = tfoa_part_of(layer, tfoa_slice_in(context, (uint32_t)context->turn));
    tfoa_slice slice;
    slice.latent = floats(context, layer->resident.latent);
    slice.bias = floats(context, layer->resident.bias);
    slice.bits = (uint32_t *)(void *)floats(context, layer->resident.bits);
    slice.sums = floats(context, layer->resident.sums);
    slice.ins = part.row;
    slice.outs = part.outs;
    slice.first_in = part.first_in;
    slice.first_out = part.first_out;
    slice.first_grad = has_all_rows ? part.first_out : 0;
    slice.grad_columns = has_all_rows ? layer->outs[layer->num_out_parts] : part.outs;
    slice.limit = limit;
    slice.positions = layer->positions;
    slice.integers = layer->integers;
    slice.step = context->total_steps;
    return slice;
}

tfoa_status tfoa_scale(const tfoa_context *context, uint32_t number, float *scale)
{
    const uint32_t word = TFOA_WORD_SCALES + number;
    const uint8_t *resident = context->turn >= 0 ? tfoa_word_in_arena(context, word) : NULL;
    if (resident == NULL) {
        return tfoa_load(&context->storage, context->header_offset + 4u * word, scale, 1);
    }
    memcpy(scale, resident, sizeof *scale);
    return TFOA_OK;
}

float tfoa_scale_momentum(const tfoa_context *context, float momentum)
{
    const float measured = (float)context->calibrated;
    return context->is_calibrating ? measured / (measured + 1.0f) : momentum;
}
