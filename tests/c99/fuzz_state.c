/* libFuzzer's target: a storage that holds anything. Nothing outside of the storage and the arena may be touched, and whatever is taken
 * for a state can be trained on, saved and taken up again.
 *
 * The input lies over a right first state. With its first byte odd both headers get right checksums: forged ones. */
#include <stdlib.h>
#include <string.h>

#include "runtime/storage.h"
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
    const tfoa_status status = tfoa_train_step(context, x, labels, 0.1f, NULL);
    check(status == (progress.block < progress.num_blocks ? TFOA_OK : TFOA_ERROR_DONE));
    check(tfoa_predict(context, x, 1, scores) == TFOA_OK);
    check(tfoa_save(context) == TFOA_OK);
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
        forge_checksum(words);
        forge_checksum(words + HEADER_WORDS);
    }
    const tfoa_status status = tfoa_init(&context, &small_model, arena, SMALL_ARENA_NBYTES, &storage);
    check(status == TFOA_OK || status == TFOA_ERROR_STATE);
    if (status == TFOA_OK) {
        train(&context);
        check(tfoa_init(&context, &small_model, arena, SMALL_ARENA_NBYTES, &storage) == TFOA_OK);
    }
    free(arena);
    free(words);
    return 0;
}
