/* The calls of the public header: state in, steps, predictions, state out. */
#include <string.h>

#include "../kernels/kernels.h"
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

static int is_done(const tfoa_context *context)
{
    return context->block >= context->model->num_blocks;
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
    return status == TFOA_OK ? tfoa_store(storage, 0u, model->pieces[0].words, model->pieces[0].num_words) : status;
}

static tfoa_status read_progress(tfoa_context *context, uint32_t *turn)
{
    tfoa_status status = tfoa_header_word(context, TFOA_WORD_BLOCK, &context->block);
    if (status == TFOA_OK) {
        status = tfoa_header_word(context, TFOA_WORD_STEP, &context->step);
    }
    if (status == TFOA_OK) {
        status = tfoa_header_word(context, TFOA_WORD_TOTAL_STEPS, &context->total_steps);
    }
    return status == TFOA_OK ? tfoa_header_word(context, TFOA_WORD_TURN, turn) : status;
}

tfoa_status tfoa_init(tfoa_context *context, const tfoa_model *model, void *arena, size_t arena_nbytes, const tfoa_storage *storage)
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
    uint32_t turn = 0;
    tfoa_status status = tfoa_find_header(context);
    if (status == TFOA_OK) {
        status = read_progress(context, &turn);
    }
    if (status == TFOA_OK && turn > 0u && !is_done(context)) {
        status = tfoa_redo_turn(context, turn - 1u);
    }
    return status;
}

static uint32_t base_of(const tfoa_context *context)
{
    return is_done(context) ? 0u : context->model->blocks[context->block].base;
}

float *tfoa_input(tfoa_context *context)
{
    return (float *)(void *)(context->arena + base_of(context) + context->model->input);
}

/* Copy samples to where the model reads them, if they are not there already. */
static void take_input(tfoa_context *context, const float *x, int32_t rows)
{
    float *input = tfoa_input(context);
    if (x != input) {
        memmove(input, x, sizeof(float) * (size_t)(rows * context->model->input_size));
    }
}

static tfoa_status run_step(tfoa_context *context, const float *x, const void *target, float rate)
{
    const tfoa_model *model = context->model;
    const tfoa_block *block = &model->blocks[context->block];
    const uint32_t turn = context->step / context->rotate_every % block->num_slices;
    tfoa_status status = TFOA_OK;
    take_input(context, x, model->batch); /* before the slice changes: the input may lie behind it */
    if (context->turn != (int32_t)turn) {
        status = tfoa_end_turn(context);
        if (status == TFOA_OK) {
            status = tfoa_begin_turn(context, turn);
        }
    }
    if (status != TFOA_OK) {
        return status;
    }
    if (target != NULL) {
        const int32_t size = model->takes_vectors ? model->batch * model->output_size : model->batch;
        memcpy(context->arena + block->target, target, 4u * (size_t)size);
    }
    memcpy(context->arena + block->rate, &rate, sizeof rate);
    return block->step(context);
}

tfoa_status tfoa_calibrate(tfoa_context *context, const float *x)
{
    if (context == NULL || x == NULL) {
        return TFOA_ERROR_ARGUMENT;
    }
    if (is_done(context)) {
        return TFOA_ERROR_DONE;
    }
    if (context->step > 0u) {
        return TFOA_ERROR_ARGUMENT; /* what is measured of a block that has learnt follows its steps */
    }
    const tfoa_block *block = &context->model->blocks[context->block];
    if (block->scale == TFOA_NONE && block->num_statistics == 0u) {
        return TFOA_OK; /* real activations have no scale */
    }
    context->is_calibrating = 1;
    const tfoa_status status = run_step(context, x, NULL, 0.0f);
    context->is_calibrating = 0;
    context->calibrated += status == TFOA_OK;
    return status;
}

static tfoa_status train_step(tfoa_context *context, const float *x, const void *target, float rate, tfoa_result *result)
{
    const tfoa_status status = run_step(context, x, target, rate);
    if (status != TFOA_OK) {
        return status;
    }
    if (result != NULL) {
        memcpy(&result->loss, context->arena + context->model->blocks[context->block].loss, sizeof result->loss);
        result->correct = context->correct;
    }
    context->step++;
    context->total_steps++;
    return TFOA_OK;
}

tfoa_status tfoa_train_step(tfoa_context *context, const float *x, const int32_t *labels, float rate, tfoa_result *result)
{
    if (context == NULL || x == NULL || labels == NULL || context->model->takes_vectors) {
        return TFOA_ERROR_ARGUMENT;
    }
    for (int32_t i = 0; i < context->model->batch; i++) {
        if (labels[i] < 0 || labels[i] >= context->model->output_size) {
            return TFOA_ERROR_ARGUMENT;
        }
    }
    return is_done(context) ? TFOA_ERROR_DONE : train_step(context, x, labels, rate, result);
}

tfoa_status tfoa_train_step_to(tfoa_context *context, const float *x, const float *targets, float rate, tfoa_result *result)
{
    if (context == NULL || x == NULL || targets == NULL || !context->model->takes_vectors) {
        return TFOA_ERROR_ARGUMENT;
    }
    return is_done(context) ? TFOA_ERROR_DONE : train_step(context, x, targets, rate, result);
}

tfoa_status tfoa_predict(tfoa_context *context, const float *x, int32_t rows, float *scores)
{
    if (context == NULL || x == NULL || scores == NULL || rows < 1 || rows > context->model->batch) {
        return TFOA_ERROR_ARGUMENT;
    }
    take_input(context, x, rows);
    uint32_t offset;
    const tfoa_status status = context->model->forward(context, base_of(context), rows, &offset);
    if (status == TFOA_OK) {
        memcpy(scores, context->arena + offset, sizeof(float) * (size_t)(rows * context->model->output_size));
    }
    return status;
}

int32_t tfoa_argmax(const float *scores, int32_t count)
{
    int32_t best = 0;
    for (int32_t i = 1; i < count; i++) {
        best = scores[i] > scores[best] ? i : best;
    }
    return best;
}

tfoa_status tfoa_save(tfoa_context *context)
{
    return context == NULL ? TFOA_ERROR_ARGUMENT : tfoa_end_turn(context);
}

tfoa_status tfoa_next_block(tfoa_context *context)
{
    if (context == NULL) {
        return TFOA_ERROR_ARGUMENT;
    }
    if (is_done(context)) {
        return TFOA_ERROR_DONE;
    }
    const tfoa_status status = tfoa_end_turn(context);
    if (status != TFOA_OK) {
        return status;
    }
    context->block++;
    context->step = 0;
    context->calibrated = 0;
    return tfoa_commit(context, -1);
}

tfoa_status tfoa_set_rotation(tfoa_context *context, uint32_t steps)
{
    if (context == NULL || steps == 0u) {
        return TFOA_ERROR_ARGUMENT;
    }
    context->rotate_every = steps;
    return TFOA_OK;
}

tfoa_progress tfoa_get_progress(const tfoa_context *context)
{
    const tfoa_model *model = context->model;
    const uint32_t num_slices = is_done(context) ? 0u : model->blocks[context->block].num_slices;
    const uint32_t slice = num_slices == 0u ? 0u : context->step / context->rotate_every % num_slices;
    const tfoa_progress progress = {context->block, model->num_blocks, slice, num_slices, context->step, context->total_steps};
    return progress;
}

float tfoa_starting_rate(const tfoa_context *context)
{
    return is_done(context) ? 0.0f : context->model->blocks[context->block].starting_rate;
}

float tfoa_cosine_rate(float start, uint32_t step, uint32_t num_steps)
{
    if (num_steps == 0u || step >= num_steps) {
        return 0.0f;
    }
    /* cos(pi t) = 1 - 2 sin^2(pi t / 2): the sine by its series, which ends below float32's resolution on [0, pi / 2]. */
    const float angle = 1.57079633f * ((float)step / (float)num_steps);
    const float square = angle * angle;
    float series = -1.0f / 39916800.0f;
    series = series * square + 1.0f / 362880.0f;
    series = series * square - 1.0f / 5040.0f;
    series = series * square + 1.0f / 120.0f;
    series = series * square - 1.0f / 6.0f;
    const float sine = angle + angle * square * series;
    const float warm_up = 10.0f * (float)(step + 1u) / (float)num_steps;
    return start * (warm_up < 1.0f ? warm_up : 1.0f) * (1.0f - sine * sine);
}
