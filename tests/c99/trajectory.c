/* Trains every block of a generated model for some steps, and writes the digest of its storage behind each: on every machine the
 * same.
 *
 * The model is named by MODEL_HEADER, MODEL, and the sizes of its header. */
#include "write_line.h"

#include <stdint.h>
#include <string.h>

#include MODEL_HEADER

#define STEPS 40

static uint32_t arena[ARENA_NBYTES / 4];
static uint32_t storage_words[STORAGE_NBYTES / 4]; /* words, so that it can be mapped */

static int read_bytes(void *device, uint32_t offset, void *to, uint32_t nbytes)
{
    memcpy(to, (const uint8_t *)device + offset, nbytes);
    return 0;
}

static int write_bytes(void *device, uint32_t offset, const void *from, uint32_t nbytes)
{
    memcpy((uint8_t *)device + offset, from, nbytes);
    return 0;
}

/* FNV-1a over bytes. */
static uint32_t digest(const void *bytes, uint32_t nbytes)
{
    uint32_t hash = 2166136261u;
    for (uint32_t i = 0; i < nbytes; i++) {
        hash = (hash ^ ((const uint8_t *)bytes)[i]) * 16777619u;
    }
    return hash;
}

static void write_digest(const char *name, uint32_t hash)
{
    char line[] = " 00000000\n";
    for (int i = 0; i < 8; i++) {
        line[8 - i] = "0123456789abcdef"[(hash >> (4 * i)) & 15u];
    }
    write_line(name);
    write_line(line);
}

static uint32_t random_state = 1u;

static float next_number(void)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (float)(random_state >> 8) / 8388608.0f - 1.0f;
}

static void fill(float *x, int32_t *labels)
{
    for (int32_t i = 0; i < BATCH * INPUTS; i++) {
        x[i] = next_number();
    }
    for (int32_t i = 0; i < BATCH; i++) {
        labels[i] = (int32_t)((random_state >> 16) % OUTPUTS);
        random_state = random_state * 1664525u + 1013904223u;
    }
}

static tfoa_status train_block(tfoa_context *context)
{
    int32_t labels[BATCH];
    tfoa_status status = TFOA_OK;
    for (int step = 0; step < 8 && status == TFOA_OK; step++) {
        fill(tfoa_input(context), labels);
        status = tfoa_calibrate(context, tfoa_input(context));
    }
    for (uint32_t step = 0; step < STEPS && status == TFOA_OK; step++) {
        fill(tfoa_input(context), labels);
        const float rate = tfoa_cosine_rate(0.1f, step, STEPS);
        status = tfoa_train_step(context, tfoa_input(context), labels, rate, NULL);
    }
    return status == TFOA_OK ? tfoa_next_block(context) : status;
}

int main(void)
{
    static tfoa_context context;
    const tfoa_storage storage = {storage_words, read_bytes, write_bytes, IS_MAPPED ? storage_words : NULL, STORAGE_NBYTES};
    tfoa_status status = tfoa_format(&MODEL, &storage);
    write_digest("format", digest(storage_words, sizeof storage_words));
    if (status == TFOA_OK) {
        status = tfoa_init(&context, &MODEL, arena, sizeof arena, &storage);
    }
    while (status == TFOA_OK && tfoa_get_progress(&context).block < tfoa_get_progress(&context).num_blocks) {
        status = train_block(&context);
        write_digest("block", digest(storage_words, sizeof storage_words));
    }
    float scores[OUTPUTS];
    int32_t labels[BATCH];
    if (status == TFOA_OK) {
        fill(tfoa_input(&context), labels);
        status = tfoa_predict(&context, tfoa_input(&context), 1, scores);
        uint32_t words[OUTPUTS];
        memcpy(words, scores, sizeof words);
        uint32_t hash = 0;
        for (int i = 0; i < OUTPUTS; i++) {
            hash = hash * 31u + words[i];
        }
        write_digest("scores", hash);
    }
    return status == TFOA_OK ? 0 : 1;
}
