#include "record.h"

#include "checksum.h"
#include "finite.h"
#include "header.h"
#include "storage.h"

enum { NUM_PIECES = 6 + TFOA_NUM_NUMBERS };

/* Words of the arena that are part of a record; none where the layer has them not. */
typedef struct record_piece {
    uint8_t *words;
    uint32_t num_words;
} record_piece;

static void find_pieces(const tfoa_context *context, const tfoa_layer *layer, uint32_t turn, record_piece *pieces)
{
    const tfoa_part part = tfoa_part_of(layer, turn);
    const tfoa_resident *at = &layer->resident;
    const uint32_t weights = (uint32_t)(part.row * part.outs);
    const uint32_t outs = (uint32_t)part.outs;
    const uint32_t places[NUM_PIECES] = {at->latent,         at->states[0],  at->states[1],  at->bias,       at->bias_states[0],
                                         at->bias_states[1], at->numbers[0], at->numbers[1], at->numbers[2], at->numbers[3]};
    const uint32_t latent = tfoa_latent_words(layer, weights);
    const uint32_t sizes[NUM_PIECES] = {latent, weights, weights, outs, outs, outs, 1u, 1u, 1u, 1u};
    for (int i = 0; i < NUM_PIECES; i++) {
        const int is_there = places[i] != TFOA_NONE;
        pieces[i].words = is_there ? context->arena + places[i] : context->arena;
        pieces[i].num_words = is_there ? sizes[i] : 0u;
    }
}

uint32_t tfoa_latent_words(const tfoa_layer *layer, uint32_t num_weights)
{
    if (layer->integers == NULL) {
        return num_weights;
    }
    const uint32_t size = tfoa_group_size(layer->integers->bits);
    return (num_weights + size - 1u) / size * tfoa_group_words(layer->integers->bits);
}

uint32_t tfoa_num_slices(const tfoa_layer *layer)
{
    return (uint32_t)(layer->num_bands * layer->num_out_parts);
}

/* Where the record of a slice lies, or with the number of slices as `slice` the free slot. */
static tfoa_status slot_offset(const tfoa_context *context, const tfoa_layer *layer, uint32_t slice, uint32_t *offset)
{
    uint32_t slot;
    const tfoa_status status = tfoa_header_word(context, layer->kept.map + slice, &slot);
    *offset = layer->kept.slots + slot * layer->kept.slot_nbytes;
    return status;
}

tfoa_status tfoa_load_record(const tfoa_context *context, const tfoa_layer *layer, uint32_t turn)
{
    const uint32_t slice = turn % tfoa_num_slices(layer);
    record_piece pieces[NUM_PIECES];
    uint32_t offset;
    uint32_t checksum;
    find_pieces(context, layer, turn, pieces);
    tfoa_status status = slot_offset(context, layer, slice, &offset);
    for (int i = 0; i < NUM_PIECES && status == TFOA_OK; i++) {
        status = tfoa_load(&context->storage, offset, pieces[i].words, pieces[i].num_words);
        offset += 4u * pieces[i].num_words;
    }
    if (status == TFOA_OK) {
        status = tfoa_header_word(context, layer->kept.checks + slice, &checksum);
    }
    if (status != TFOA_OK) {
        return status;
    }
    return checksum == tfoa_record_checksum(context, layer, turn) ? TFOA_OK : TFOA_ERROR_DAMAGED;
}

tfoa_status tfoa_store_record(const tfoa_context *context, const tfoa_layer *layer, uint32_t turn)
{
    record_piece pieces[NUM_PIECES];
    uint32_t offset;
    find_pieces(context, layer, turn, pieces);
    tfoa_status status = slot_offset(context, layer, tfoa_num_slices(layer), &offset);
    for (int i = 0; i < NUM_PIECES && status == TFOA_OK; i++) {
        status = tfoa_store(&context->storage, offset, pieces[i].words, pieces[i].num_words);
        offset += 4u * pieces[i].num_words;
    }
    return status;
}

uint32_t tfoa_record_checksum(const tfoa_context *context, const tfoa_layer *layer, uint32_t turn)
{
    record_piece pieces[NUM_PIECES];
    uint32_t crc = 0;
    find_pieces(context, layer, turn, pieces);
    for (int i = 0; i < NUM_PIECES; i++) {
        crc = tfoa_crc32_of(crc, pieces[i].words, pieces[i].num_words);
    }
    return crc;
}

uint32_t tfoa_bias_checksum(const tfoa_context *context, const tfoa_layer *layer, uint32_t turn)
{
    return tfoa_crc32_of(0u, context->arena + layer->resident.bias, (uint32_t)tfoa_part_of(layer, turn).outs);
}

int tfoa_record_is_finite(const tfoa_context *context, const tfoa_layer *layer, uint32_t turn)
{
    record_piece pieces[NUM_PIECES];
    int is_finite = 1;
    find_pieces(context, layer, turn, pieces);
    const int first = layer->integers == NULL ? 0 : 1; /* whole numbers always are */
    for (int i = first; i < NUM_PIECES; i++) {         /* a step count has the bits of a finite number */
        is_finite = is_finite && tfoa_are_finite(pieces[i].words, pieces[i].num_words);
    }
    return is_finite;
}
