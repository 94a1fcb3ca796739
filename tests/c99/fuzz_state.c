/* libFuzzer's target: a storage that holds anything. Nothing outside of the storage and the arena may be touched, and whatever is
 * taken for a state can be trained on, saved and taken up again.
 *
 * The input lies over a right first state. With its first byte odd records and both headers get right checksums: forged ones. */
#include <stdlib.h>
#include <string.h>

#include "runtime/checksum.h"
#include "small_model.h"
#include "tinyfoa_model.h"

#define HEADER_WORDS (small_model.header_words)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int read_bytes(void *device, uint32_t offset, void *to, uint32_t nbytes)
{
    if (offset > SMALL_STORAGE_NBYTES || nbytes > SMALL_STORAGE_NBYTES - offset) {
        abort();
    }
    memcpy(to, (const uint8_t *)device + offset, nbytes);
    return 0;
}

static int write_bytes(void *device, uint32_t offset, const void *from, uint32_t nbytes)
{
    if (offset > SMALL_STORAGE_NBYTES || nbytes > SMALL_STORAGE_NBYTES - offset) {
        abort();
    }
    memcpy((uint8_t *)device + offset, from, nbytes);
    return 0;
}

static void forge_checksum(uint32_t *header)
{
    uint32_t crc = 0;
    for (uint32_t i = 0; i + 1u < HEADER_WORDS; i++) {
        crc = tfoa_crc32(crc, header[i]);
    }
    header[HEADER_WORDS - 1u] = crc;
}

/* Right checksums of the records, as far as the slots are some: what is in them is taken for weights. */
static void forge_records(uint32_t *words, uint32_t *header)
{
    for (uint32_t b = 0; b < small_model.num_blocks; b++) {
        for (uint32_t i = 0; i < small_model.blocks[b].num_layers; i++) {
            const tfoa_layer *layer = &small_model.blocks[b].layers[i];
            const uint32_t count = (uint32_t)(layer->num_bands * layer->num_out_parts);
            const uint32_t outs = (uint32_t)(layer->outs[layer->num_out_parts] / layer->num_out_parts);
            for (uint32_t slice = 0; slice < count; slice++) {
                const uint32_t slot = header[layer->kept.map + slice] % (count + 1u);
                const uint32_t *record = words + (layer->kept.slots + slot * layer->kept.slot_nbytes) / 4u;
                header[layer->kept.checks + slice] = tfoa_crc32_of(0u, record, layer->kept.slot_nbytes / 4u);
            }
            for (int32_t part = 0; part < layer->num_out_parts; part++) {
                const uint32_t *biases = words + layer->kept.bias / 4u + outs * (uint32_t)part;
                header[layer->kept.checks + count + (uint32_t)part] = tfoa_crc32_of(0u, biases, outs);
            }
        }
    }
}

static void check(int is_right)
{
    if (!is_right) {
        abort();
    }
}

static void train(tfoa_context *context)
{
    float x[SMALL_BATCH * SMALL_INPUTS];
    int32_t labels[SMALL_BATCH];
    float scores[SMALL_OUTPUTS];
    for (int32_t i = 0; i < SMALL_BATCH * SMALL_INPUTS; i++) {
        x[i] = (float)(i % 7) - 3.0f;
    }
    for (int32_t i = 0; i < SMALL_BATCH; i++) {
        labels[i] = i % SMALL_OUTPUTS;
    }
    const tfoa_progress progress = tfoa_get_progress(context);
    /* Weights may be NaN, or so large that they diverge. */
    const tfoa_status status = tfoa_train_step(context, x, labels, 0.1f, NULL);
    if (progress.block == progress.num_blocks) {
        check(status == TFOA_ERROR_DONE);
    } else {
        check(status == TFOA_OK || status == TFOA_ERROR_NOT_FINITE);
    }
    check(tfoa_predict(context, x, 1, scores) == TFOA_OK);
    const tfoa_status saved = tfoa_save(context);
    check(saved == TFOA_OK || saved == TFOA_ERROR_NOT_FINITE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1u) {
        return 0;
    }
    uint32_t *words = (uint32_t *)malloc(SMALL_STORAGE_NBYTES); /* to the byte, so that the sanitizer sees its end */
    uint32_t *arena = (uint32_t *)malloc(SMALL_ARENA_NBYTES);
    const tfoa_storage storage = {words, read_bytes, write_bytes, (data[0] & 2u) != 0u ? words : NULL, SMALL_STORAGE_NBYTES};
    tfoa_context context;
    check(tfoa_format(&small_model, &storage) == TFOA_OK);
    const size_t overlay = size - 1u < SMALL_STORAGE_NBYTES ? size - 1u : SMALL_STORAGE_NBYTES;
    memcpy(words, data + 1, overlay);
    if ((data[0] & 1u) != 0u) {
        for (uint32_t i = 0; i < 2u; i++) {
            forge_records(words, words + i * HEADER_WORDS);
            forge_checksum(words + i * HEADER_WORDS);
        }
    }
    const tfoa_status status = tfoa_init(&context, &small_model, arena, SMALL_ARENA_NBYTES, &storage);
    check(status == TFOA_OK || status == TFOA_ERROR_STATE || status == TFOA_ERROR_DAMAGED);
    if (status == TFOA_OK) {
        train(&context);
        check(tfoa_init(&context, &small_model, arena, SMALL_ARENA_NBYTES, &storage) == TFOA_OK);
    }
    free(arena);
    free(words);
    return 0;
}
