/* How far training has come: blocks, turns and rates. */
#include "header.h"
#include "turns.h"

tfoa_status tfoa_save(tfoa_context *context)
{
    return context == NULL ? TFOA_ERROR_ARGUMENT : tfoa_end_turn(context);
}

/* The state says so only once it is written: until then nothing has changed, and a caller may try again. */
static tfoa_status begin_block(tfoa_context *context, uint32_t block)
{
    tfoa_status status = tfoa_end_turn(context);
    const uint32_t ended_block = context->block;
    const uint32_t ended_step = context->step;
    if (status != TFOA_OK) {
        return status;
    }
    context->block = block;
    context->step = 0;
    status = tfoa_commit(context, -1);
    if (status != TFOA_OK) {
        context->block = ended_block;
        context->step = ended_step;
        return status;
    }
    context->calibrated = 0;
    return TFOA_OK;
}

tfoa_status tfoa_next_block(tfoa_context *context)
{
    if (context == NULL) {
        return TFOA_ERROR_ARGUMENT;
    }
    if (tfoa_is_done(context)) {
        return TFOA_ERROR_DONE;
    }
    return begin_block(context, context->block + 1u);
}

tfoa_status tfoa_train_block(tfoa_context *context, uint32_t block)
{
    if (context == NULL || block > context->model->num_blocks) {
        return TFOA_ERROR_ARGUMENT;
    }
    return begin_block(context, block);
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
    const uint32_t num_slices = tfoa_is_done(context) ? 0u : model->blocks[context->block].num_slices;
    const uint32_t slice = num_slices == 0u ? 0u : tfoa_next_turn(context);
    const tfoa_progress progress = {context->block, model->num_blocks, slice, num_slices, context->step, context->total_steps};
    return progress;
}

float tfoa_starting_rate(const tfoa_context *context)
{
    return tfoa_is_done(context) ? 0.0f : context->model->blocks[context->block].starting_rate;
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
