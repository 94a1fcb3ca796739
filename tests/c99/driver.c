/* Trains a model on samples of a file, and writes what came of it: the same program on every platform.
 *
 *     driver INPUT OUTPUT
 *
 * INPUT: words num_samples, calibration steps, steps a block, steps a turn, whether rates fall to zero, samples to test on; a rate
 * a block (float); samples and labels; samples and labels to test on.
 * OUTPUT: a loss a step, the scores of the first batch, how many test samples were right, bytes of stack, ticks of the last step of
 * each block, the storage.
 * Words as the processor has them; the storage is little endian. */
#include <stdint.h>

#include "driver_io.h"
#include "net_model.h"

#ifndef STORAGE_IS_MAPPED
#define STORAGE_IS_MAPPED 0
#endif

static uint32_t arena[NET_ARENA_NBYTES / 4 + 1];
__attribute__((section(".storage"))) static uint32_t words[NET_STORAGE_NBYTES / 4];
static uint32_t ticks[NET_NUM_BLOCKS];
static uint32_t head[6];
static float rates[NET_NUM_BLOCKS];
static float batch[NET_BATCH * NET_INPUTS];
static int32_t labels[NET_BATCH];
static float scores[NET_BATCH * NET_OUTPUTS];

static int read_words(void *device, uint32_t offset, void *to, uint32_t nbytes)
{
    const uint8_t *from = (const uint8_t *)device + offset;
    for (uint32_t i = 0; i < nbytes; i++) {
        ((uint8_t *)to)[i] = from[i];
    }
    return 0;
}

static int write_words(void *device, uint32_t offset, const void *from, uint32_t nbytes)
{
    uint8_t *to = (uint8_t *)device + offset;
    for (uint32_t i = 0; i < nbytes; i++) {
        to[i] = ((const uint8_t *)from)[i];
    }
    return 0;
}

/* Read a batch from sample `first` on, out of `count` samples that begin at byte `start`. */
static int read_samples(uint32_t start, uint32_t count, uint32_t first)
{
    const uint32_t label_start = start + 4u * count * NET_INPUTS;
    for (uint32_t i = 0; i < NET_BATCH; i++) {
        const uint32_t sample = (first + i) % count;
        if (io_read(start + 4u * sample * NET_INPUTS, batch + i * NET_INPUTS, 4u * NET_INPUTS) != 0 ||
            io_read(label_start + 4u * sample, labels + i, 4u) != 0) {
            return 1;
        }
    }
    return 0;
}

static int read_batch(uint32_t first)
{
    return read_samples(sizeof head + sizeof rates, head[0], first);
}

static int count_right(tfoa_context *context, uint32_t *right)
{
    const uint32_t start = sizeof head + sizeof rates + 4u * head[0] * (NET_INPUTS + 1u);
    *right = 0;
    for (uint32_t first = 0; first < head[5]; first += NET_BATCH) {
        if (read_samples(start, head[5], first) != 0 || tfoa_predict(context, batch, NET_BATCH, scores) != TFOA_OK) {
            return 1;
        }
        for (uint32_t i = 0; i < NET_BATCH && first + i < head[5]; i++) {
            *right += tfoa_argmax(scores + i * NET_OUTPUTS, NET_OUTPUTS) == labels[i];
        }
    }
    return 0;
}

static int train_block(tfoa_context *context, uint32_t block)
{
    for (uint32_t step = 0; step < head[1]; step++) {
        if (read_batch(step * NET_BATCH) != 0 || tfoa_calibrate(context, batch) != TFOA_OK) {
            return 1;
        }
    }
    for (uint32_t step = 0; step < head[2]; step++) {
        tfoa_result result;
        if (read_batch(step * NET_BATCH) != 0) {
            return 1;
        }
        const float rate = head[4] != 0u ? tfoa_cosine_rate(rates[block], step, head[2]) : rates[block];
        const uint32_t before = io_ticks();
        const tfoa_status status = tfoa_train_step(context, batch, labels, rate, &result);
        ticks[block] = (io_ticks() - before) & 0xFFFFFFu;
        if (status != TFOA_OK || io_append(&result.loss, 4u) != 0) {
            return 1;
        }
    }
    return tfoa_next_block(context) != TFOA_OK;
}

int main(int argc, char **argv)
{
    const tfoa_storage storage = {words, read_words, write_words, STORAGE_IS_MAPPED ? words : NULL};
    tfoa_context context;
    if (io_open(argc > 1 ? argv[1] : "input.bin", argc > 2 ? argv[2] : "output.bin") != 0 || io_read(0, head, sizeof head) != 0 ||
        io_read(sizeof head, rates, sizeof rates) != 0) {
        return 2;
    }
    if (tfoa_format(&net_model, &storage) != TFOA_OK ||
        tfoa_init(&context, &net_model, arena, NET_ARENA_NBYTES, &storage) != TFOA_OK || tfoa_set_rotation(&context, head[3]) != TFOA_OK) {
        return 3;
    }
    for (uint32_t block = 0; block < NET_NUM_BLOCKS; block++) {
        if (train_block(&context, block) != 0) {
            return 4;
        }
    }
    uint32_t right;
    if (count_right(&context, &right) != 0 || read_batch(0) != 0 || tfoa_predict(&context, batch, NET_BATCH, scores) != TFOA_OK) {
        return 5;
    }
    const uint32_t stack = io_stack_nbytes();
    if (io_append(scores, sizeof scores) != 0 || io_append(&right, 4u) != 0 || io_append(&stack, 4u) != 0 || io_append(ticks, sizeof ticks) != 0 ||
        io_append(words, sizeof words) != 0) {
        return 6;
    }
    return io_close() == 0 ? 0 : 7;
}
