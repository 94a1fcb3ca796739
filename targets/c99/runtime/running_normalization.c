/* Batch normalization by running statistics: in RAM while their block has a slice there, else in the storage. */
#include <string.h>

#include "header.h"
#include "products.h"
#include "storage.h"
#include "turns.h"

/* Numbers [first, first + count) of statistic `number` of the block. */
static tfoa_status read_statistic(const tfoa_context *context, const tfoa_running *by, uint32_t number, uint32_t first,
                                  uint32_t count, float *values)
{
    if (context->turn < 0 || context->block != by->block) {
        return tfoa_kept_statistic(context, &context->model->blocks[by->block].statistics[number], first, count, values);
    }
    const tfoa_statistic *statistic = &tfoa_block_in(context, (uint32_t)context->turn)->statistics[number];
    memcpy(values, context->arena + statistic->place + 4u * first, 4u * (size_t)count);
    return TFOA_OK;
}

tfoa_status tfoa_running_normalization(const tfoa_context *context, const tfoa_running *by, const tfoa_channels *shape,
                                       const float *x, float *y)
{
    for (int32_t first = 0; first < shape->channels; first += TFOA_CHUNK) {
        const int32_t count = shape->channels - first < TFOA_CHUNK ? shape->channels - first : TFOA_CHUNK;
        float kept[3][TFOA_CHUNK]; /* mean, variance and shift */
        for (uint32_t i = 0; i < 3u; i++) {
            const tfoa_status status = read_statistic(context, by, by->mean + i, (uint32_t)first, (uint32_t)count, kept[i]);
            if (status != TFOA_OK) {
                return status;
            }
        }
        const tfoa_normalization part = {by->gain + first, kept[2], kept[0], kept[1], by->epsilon};
        const tfoa_channels channels = {1, count, shape->positions};
        for (int32_t sample = 0; sample < shape->samples; sample++) {
            const size_t begin = (size_t)(sample * shape->channels + first) * (size_t)shape->positions;
            tfoa_batch_normalization(&channels, &part, x + begin, y + begin);
        }
    }
    return TFOA_OK;
}
