/* Steps and predictions. */
#include <string.h>

#include "finite.h"
#include "header.h"
#include "turns.h"

static uint32_t base_of(const tfoa_context *context)
{
    return tfoa_is_done(context) ? 0u : context->model->blocks[context->block].base;
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

/* Steps of layers that take turns read samples at bases of their own, none of which lies behind the block's. */
static void hand_input(const tfoa_context *context, const tfoa_block *block)
{
    const tfoa_model *model = context->model;
    const uint8_t *input = context->arena + base_of(context) + model->input;
    memmove(context->arena + block->base + model->input, input, sizeof(float) * (size_t)(model->batch * model->input_size));
}

static tfoa_status change_turn(tfoa_context *context, uint32_t turn)
{
    if (context->turn == (int32_t)turn) {
        return TFOA_OK;
    }
    const tfoa_status status = tfoa_end_turn(context);
    return status == TFOA_OK ? tfoa_begin_turn(context, turn) : status;
}

/* The slices that a step moves behind the first, by the same error: each comes into RAM in the place of the one before. */
static tfoa_status move_other_slices(tfoa_context *context)
{
    const tfoa_block *block = &context->model->blocks[context->block];
    const uint32_t first = (uint32_t)context->turn;
    tfoa_status status = TFOA_OK;
    for (uint32_t i = 1; i < block->slices_per_step && status == TFOA_OK; i++) {
        status = change_turn(context, (first + i) % block->num_slices);
        if (status == TFOA_OK) {
            status = block->update(context);
        }
    }
    return status;
}

static tfoa_status run_step(tfoa_context *context, const float *x, const void *target, float rate)
{
    const tfoa_model *model = context->model;
    const uint32_t turn = tfoa_next_turn(context);
    const tfoa_block *block = tfoa_block_in(context, turn);
    if (!tfoa_are_finite(x, (uint32_t)(model->batch * model->input_size)) || !tfoa_are_finite(&rate, 1u)) {
        return TFOA_ERROR_NOT_FINITE;
    }
    take_input(context, x, model->batch); /* before the slice changes: the input may lie behind it */
    const tfoa_status status = change_turn(context, turn);
    if (status != TFOA_OK) {
        return status;
    }
    if (block->base != base_of(context)) {
        hand_input(context, block);
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
    if (tfoa_is_done(context)) {
        return TFOA_ERROR_DONE;
    }
    if (context->step > 0u) {
        return TFOA_ERROR_ARGUMENT; /* what is measured of a block that has learnt follows its steps */
    }
    const tfoa_block *block = &context->model->blocks[context->block];
    if (block->num_statistics == 0u) {
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
    const uint8_t *loss = context->arena + tfoa_block_in(context, (uint32_t)context->turn)->loss;
    if (!tfoa_are_finite(loss, 1u)) {
        return tfoa_give_up_turn(context);
    }
    const tfoa_status moved = move_other_slices(context); /* the loss stays where it is */
    if (moved != TFOA_OK) {
        return moved;
    }
    if (result != NULL) {
        memcpy(&result->loss, loss, sizeof result->loss);
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
    return tfoa_is_done(context) ? TFOA_ERROR_DONE : train_step(context, x, labels, rate, result);
}

tfoa_status tfoa_train_step_to(tfoa_context *context, const float *x, const float *targets, float rate, tfoa_result *result)
{
    if (context == NULL || x == NULL || targets == NULL || !context->model->takes_vectors) {
        return TFOA_ERROR_ARGUMENT;
    }
    if (tfoa_is_done(context)) {
        return TFOA_ERROR_DONE;
    }
    const uint32_t num_targets = (uint32_t)(context->model->batch * context->model->output_size);
    return tfoa_are_finite(targets, num_targets) ? train_step(context, x, targets, rate, result) : TFOA_ERROR_NOT_FINITE;
}

tfoa_status tfoa_predict(tfoa_context *context, const float *x, int32_t rows, float *scores)
{
    if (context == NULL || x == NULL || scores == NULL || rows < 1 || rows > context->model->batch) {
        return TFOA_ERROR_ARGUMENT;
    }
    if (!tfoa_are_finite(x, (uint32_t)(rows * context->model->input_size))) {
        return TFOA_ERROR_NOT_FINITE;
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
