/* A state in the storage: made, taken up, and checked. */
#include <string.h>

#include "check_state.h"
#include "header.h"
#include "storage.h"
#include "turns.h"

const char *tfoa_version(void)
{
    return "0.1.0";
}

size_t tfoa_arena_nbytes(const tfoa_model *model)
{
    return model == NULL ? 0u : model->arena_nbytes;
}

uint32_t tfoa_storage_nbytes(const tfoa_model *model)
{
    return model == NULL ? 0u : model->storage_nbytes;
}

uint32_t tfoa_step_nbytes(const tfoa_model *model)
{
    return model == NULL ? 0u : model->step_nbytes;
}

static int is_usable(const tfoa_storage *storage, const tfoa_model *model)
{
    if (storage == NULL || storage->write == NULL || (uintptr_t)storage->mapped % 4u != 0u) {
        return 0;
    }
    return storage->read != NULL || (storage->mapped != NULL && storage->mapped_nbytes >= model->storage_nbytes);
}

static tfoa_status fill_with_zeros(const tfoa_storage *storage, uint32_t offset, uint32_t end)
{
    static const uint32_t zeros[TFOA_CHUNK] = {0};
    while (offset < end) {
        const uint32_t left = (end - offset) / 4u;
        const uint32_t count = left < TFOA_CHUNK ? left : TFOA_CHUNK;
        const tfoa_status status = tfoa_store(storage, offset, zeros, count);
        if (status != TFOA_OK) {
            return status;
        }
        offset += 4u * count;
    }
    return TFOA_OK;
}

tfoa_status tfoa_format(const tfoa_model *model, const tfoa_storage *storage)
{
    if (model == NULL || !is_usable(storage, model)) {
        return TFOA_ERROR_ARGUMENT;
    }
    if (model->num_pieces == 0u) {
        return TFOA_ERROR_STATE;
    }
    /* The old headers go first and the new one, which is the first piece, comes last: in between there is no state. */
    const uint32_t state = 2u * model->header_stride;
    tfoa_status status = fill_with_zeros(storage, 0u, state);
    uint32_t end = state;
    for (uint32_t i = 1; i < model->num_pieces && status == TFOA_OK; i++) {
        const tfoa_piece *piece = &model->pieces[i];
        status = fill_with_zeros(storage, end, piece->offset);
        if (status == TFOA_OK) {
            status = tfoa_store(storage, piece->offset, piece->words, piece->num_words);
        }
        end = piece->offset + 4u * piece->num_words;
    }
    if (status == TFOA_OK) {
        status = fill_with_zeros(storage, end, model->storage_nbytes);
    }
    /* Both headers, so that damage to one is none to the state. */
    for (uint32_t i = 0; i < 2u && status == TFOA_OK; i++) {
        status = tfoa_store(storage, i * model->header_stride, model->pieces[0].words, model->pieces[0].num_words);
    }
    return status;
}

/* What a power cut may have kept from being written. */
static tfoa_status finish_turn(tfoa_context *context)
{
    uint32_t turn;
    const tfoa_status status = tfoa_header_word(context, TFOA_WORD_TURN, &turn);
    const int is_needed = status == TFOA_OK && turn > 0u && !tfoa_is_done(context);
    return is_needed ? tfoa_redo_turn(context, turn - 1u) : status;
}

tfoa_status tfoa_init(tfoa_context *context, const tfoa_model *model, void *arena, size_t arena_nbytes,
                      const tfoa_storage *storage)
{
    if (context == NULL || model == NULL || arena == NULL || !is_usable(storage, model)) {
        return TFOA_ERROR_ARGUMENT;
    }
    if (arena_nbytes < model->arena_nbytes || (uintptr_t)arena % 4u != 0u) {
        return TFOA_ERROR_ARENA;
    }
    memset(context, 0, sizeof *context);
    context->model = model;
    context->arena = (uint8_t *)arena;
    context->storage = *storage;
    context->rotate_every = model->rotate_every;
    context->turn = -1;
    tfoa_status status = tfoa_find_header(context);
    if (status == TFOA_OK) {
        status = tfoa_read_progress(context);
    }
    if (status == TFOA_OK) {
        status = finish_turn(context);
    }
    return status == TFOA_OK ? tfoa_check_state(context) : status;
}
