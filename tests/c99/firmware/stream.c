/* Trains a model on samples that come one after the other from a file, block by block, and measures it on others.
 *
 * state.bin is the storage; what steps read of it is copied into memory first; samples.bin and test.bin hold a byte an input and
 * a byte for the label of each sample. Lines that it writes: "block NUMBER steps STEPS correct COUNT" (of the last tenth),
 * "digest BITS", "ticks COUNT" (of a step), "test SAMPLES correct COUNT", "stack BYTES". MODEL and the constants of its header
 * are named by the compiler's -D, and COUNTS_CLASSES asks for lines "class NUMBER correct COUNT". */
#include "machine.h"

#include <string.h>

#include "../write_line.h"
#include MODEL_HEADER

static uint32_t arena[ARENA_NBYTES / 4];
static uint8_t record[INPUTS + 1];
static tfoa_context context;
#ifdef COUNTS_CLASSES /* no RAM of a board is spent on them */
static uint32_t class_correct[OUTPUTS];
#endif

static void write_numbers(const char *name, uint32_t value, const char *other, uint32_t count)
{
    char line[80];
    char *end = line;
    const char *names[2] = {name, other};
    const uint32_t values[2] = {value, count};
    for (int i = 0; i < 2 && names[i] != NULL; i++) {
        for (const char *c = names[i]; *c != '\0'; c++) {
            *end++ = *c;
        }
        *end++ = ' ';
        char digits[10];
        int length = 0;
        uint32_t left = values[i];
        do {
            digits[length++] = (char)('0' + left % 10u);
            left /= 10u;
        } while (left > 0u);
        while (length > 0) {
            *end++ = digits[--length];
        }
        *end++ = ' ';
    }
    end[-1] = '\n';
    *end = '\0';
    write_line(line);
}

/* The storage: what steps read is in memory, and the rest stays in the file. */
typedef struct device {
    int32_t file;
    uint8_t *memory;
} device;

static int read_bytes(void *of, uint32_t offset, void *to, uint32_t nbytes)
{
    const device *from = (const device *)of;
    machine_seek(from->file, offset);
    return machine_read(from->file, to, nbytes) != nbytes;
}

static int write_bytes(void *of, uint32_t offset, const void *from, uint32_t nbytes)
{
    const device *to = (const device *)of;
    if (offset + nbytes <= STEP_NBYTES) {
        memcpy(to->memory + offset, from, nbytes);
        return 0;
    }
    machine_seek(to->file, offset);
    return machine_write(to->file, from, nbytes) != nbytes;
}

/* A file that ends begins again. */
static int32_t next_sample(int32_t file, float *x)
{
    if (machine_read(file, record, sizeof record) != sizeof record) {
        machine_seek(file, 0u);
        machine_read(file, record, sizeof record);
    }
    for (uint32_t i = 0; i < INPUTS; i++) {
        x[i] = ((float)record[i] - MEAN) * RECIPROCAL_DEVIATION;
    }
    return record[INPUTS];
}

static void next_batch(int32_t file, int32_t *labels)
{
    float *x = tfoa_input(&context);
    for (uint32_t i = 0; i < BATCH; i++) {
        labels[i] = next_sample(file, x + i * INPUTS);
    }
}

static uint32_t digest(const uint8_t *bytes, uint32_t nbytes)
{
    uint32_t hash = 2166136261u;
    for (uint32_t i = 0; i < nbytes; i++) {
        hash = (hash ^ bytes[i]) * 16777619u;
    }
    return hash;
}

static tfoa_status train_block(int32_t file, uint32_t steps)
{
    int32_t labels[BATCH];
    tfoa_result result = {0.0f, 0};
    tfoa_status status = TFOA_OK;
    uint32_t correct = 0;
    uint32_t ticks = 0;
    machine_seek(file, 0u);
    for (uint32_t i = 0; i < CALIBRATION / BATCH && status == TFOA_OK; i++) {
        next_batch(file, labels);
        status = tfoa_calibrate(&context, tfoa_input(&context));
    }
    const float start = tfoa_starting_rate(&context);
    for (uint32_t step = 0; step < steps && status == TFOA_OK; step++) {
        next_batch(file, labels);
        const float rate = tfoa_cosine_rate(start, step, steps);
        const uint32_t before = machine_ticks();
        status = tfoa_train_step(&context, tfoa_input(&context), labels, rate, &result);
        if (step == 1u) { /* in the middle of a turn */
            ticks = (machine_ticks() - before) & 0xFFFFFFu;
        }
        correct += step >= steps - steps / 10u ? (uint32_t)result.correct : 0u;
    }
    write_numbers("block", tfoa_get_progress(&context).block, "steps", steps);
    write_numbers("correct", correct, "of", steps / 10u * BATCH);
    write_numbers("ticks", ticks, NULL, 0);
    return status == TFOA_OK ? tfoa_next_block(&context) : status;
}

static tfoa_status test(int32_t file)
{
    tfoa_status status = TFOA_OK;
    uint32_t correct = 0;
    for (uint32_t i = 0; i < TESTS && status == TFOA_OK; i++) {
        float scores[OUTPUTS];
        const int32_t label = next_sample(file, tfoa_input(&context));
        status = tfoa_predict(&context, tfoa_input(&context), 1, scores);
        const uint32_t is_correct = tfoa_argmax(scores, OUTPUTS) == label ? 1u : 0u;
        correct += is_correct;
#ifdef COUNTS_CLASSES
        class_correct[label] += is_correct;
#endif
    }
#ifdef COUNTS_CLASSES
    for (uint32_t i = 0; i < OUTPUTS; i++) {
        write_numbers("class", i, "correct", class_correct[i]);
    }
#endif
    write_numbers("test", TESTS, "correct", correct);
    return status;
}

int main(void)
{
    static const uint32_t steps[] = {STEPS};
    device of = {machine_open("state.bin"), (uint8_t *)machine_storage(STEP_NBYTES)};
    const tfoa_storage storage = {&of, read_bytes, write_bytes, of.memory, STEP_NBYTES};
    const int32_t samples = machine_open("samples.bin");
    const int32_t tests = machine_open("test.bin");
    if (of.file < 0 || samples < 0 || tests < 0 || machine_read(of.file, of.memory, STEP_NBYTES) != STEP_NBYTES) {
        write_line("no files\n");
        return 2;
    }
    tfoa_status status = tfoa_init(&context, &MODEL, arena, sizeof arena, &storage);
    if (status == TFOA_OK) {
        status = tfoa_set_rotation(&context, TURN);
    }
    for (uint32_t block = 0; block < sizeof steps / sizeof steps[0] && status == TFOA_OK; block++) {
        status = train_block(samples, steps[block]);
        write_numbers("digest", digest(of.memory, STEP_NBYTES), NULL, 0);
    }
    if (status == TFOA_OK) {
        status = test(tests);
    }
    write_numbers("stack", machine_stack_nbytes(), NULL, 0);
    return status == TFOA_OK ? 0 : 1;
}
