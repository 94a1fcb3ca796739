/* An example: trains @PREFIX@ on samples that it makes up, block by block, with its storage in a file.
 *
 * Replace read_sample by where your data come from: standardized, in the model's order, and as many as fill a batch. */
#include <stdio.h>

#include "@PREFIX@_model.h"
#include "samples/file_storage.h"

#define STEPS 1000
#define CALIBRATION 50

static uint32_t arena[@UPPER@_ARENA_NBYTES / 4];

/* Noise around a number that tells the class. */
static int32_t read_sample(uint32_t number, float *x)
{
    uint32_t state = number * 2654435761u + 1u;
    const int32_t label = (int32_t)(number % @UPPER@_OUTPUTS);
    for (int32_t i = 0; i < @UPPER@_INPUTS; i++) {
        state = state * 1664525u + 1013904223u;
        x[i] = (float)(state >> 8) / 8388608.0f - 1.0f + (i % @UPPER@_OUTPUTS == label ? 1.0f : 0.0f);
    }
    return label;
}

static void read_batch(uint32_t step, float *x, int32_t *labels)
{
    for (uint32_t i = 0; i < @UPPER@_BATCH; i++) {
        labels[i] = read_sample(step * @UPPER@_BATCH + i, x + i * @UPPER@_INPUTS);
    }
}

static tfoa_status train_block(tfoa_context *context)
{
    int32_t labels[@UPPER@_BATCH];
    tfoa_result result = {0.0f, 0};
    tfoa_status status = TFOA_OK;
    for (uint32_t i = 0; i < CALIBRATION && status == TFOA_OK && tfoa_get_progress(context).step == 0u; i++) {
        read_batch(i, tfoa_input(context), labels);
        status = tfoa_calibrate(context, tfoa_input(context));
    }
    while (status == TFOA_OK && tfoa_get_progress(context).step < STEPS) {
        const uint32_t step = tfoa_get_progress(context).step;
        const float rate = tfoa_cosine_rate(tfoa_starting_rate(context), step, STEPS);
        read_batch(step, tfoa_input(context), labels);
        status = tfoa_train_step(context, tfoa_input(context), labels, rate, &result);
    }
    printf("block %u: loss %.3f\n", (unsigned)tfoa_get_progress(context).block, (double)result.loss);
    return status == TFOA_OK ? tfoa_next_block(context) : status;
}

int main(void)
{
    tfoa_context context;
    FILE *file = file_storage_open("@PREFIX@.storage", @UPPER@_STORAGE_NBYTES);
    if (file == NULL) {
        return 1;
    }
    const tfoa_storage storage = file_storage(file);
    tfoa_status status = tfoa_init(&context, &@PREFIX@_model, arena, sizeof arena, &storage);
    if (status == TFOA_ERROR_STATE && tfoa_format(&@PREFIX@_model, &storage) == TFOA_OK) {
        status = tfoa_init(&context, &@PREFIX@_model, arena, sizeof arena, &storage);
    }
    while (status == TFOA_OK && tfoa_get_progress(&context).block < tfoa_get_progress(&context).num_blocks) {
        status = train_block(&context);
    }
    if (status == TFOA_OK) {
        float scores[@UPPER@_OUTPUTS];
        const int32_t label = read_sample(STEPS, tfoa_input(&context));
        status = tfoa_predict(&context, tfoa_input(&context), 1, scores);
        printf("class %d, predicted %d\n", (int)label, (int)tfoa_argmax(scores, @UPPER@_OUTPUTS));
    }
    fclose(file);
    return status == TFOA_OK ? 0 : 1;
}
