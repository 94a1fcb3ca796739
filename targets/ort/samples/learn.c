/* SPDX-License-Identifier: Apache-2.0
 *
 * Learning from a fixed set, in plain C.
 *
 *     learn ARTIFACT SAMPLES.f32 LABELS.i64 FOLDER [EPOCHS]
 *
 * SAMPLES.f32 and LABELS.i64 are the numbers as they lie in memory. What was learnt is saved in FOLDER, beside the inference
 * model.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tinyfoa_ort.h"

/* Reads a whole file of numbers; returns how many there are, 0 where it cannot be read. */
static size_t read_numbers(const char *path, size_t number_nbytes, void **numbers)
{
    FILE *file = fopen(path, "rb");
    long nbytes = -1;
    size_t count = 0;
    *numbers = NULL;
    if (file == NULL) {
        return 0;
    }
    if (fseek(file, 0, SEEK_END) == 0) {
        nbytes = ftell(file);
    }
    if (nbytes > 0 && fseek(file, 0, SEEK_SET) == 0) {
        *numbers = malloc((size_t)nbytes);
    }
    if (*numbers != NULL) {
        count = fread(*numbers, number_nbytes, (size_t)nbytes / number_nbytes, file);
    }
    fclose(file);
    return count;
}

static int print_report(void *context, const tinyfoa_ort_report *report)
{
    (void)context;
    if (report->step + 1 == report->num_steps) {
        printf("block %s: %lld steps, loss %.3f\n", report->block, (long long)report->num_steps, (double)report->result.loss);
    }
    return 0;
}

static tinyfoa_ort_status learn(tinyfoa_ort_trainer *trainer, const tinyfoa_ort_samples *samples, int64_t epochs,
                                const char *folder)
{
    const tinyfoa_ort_settings settings = {.epochs = epochs, .rate = 1.0};
    tinyfoa_ort_evaluation evaluation = {0, 0, 0};
    tinyfoa_ort_status status = tinyfoa_ort_set_settings(trainer, &settings);
    if (status == TINYFOA_ORT_OK) {
        status = tinyfoa_ort_fit(trainer, samples, print_report, NULL);
    }
    if (status == TINYFOA_ORT_OK) {
        status = tinyfoa_ort_evaluate(trainer, samples, &evaluation);
    }
    if (status == TINYFOA_ORT_OK) {
        printf("accuracy %.3f\n", evaluation.accuracy);
        status = tinyfoa_ort_save(trainer, folder);
    }
    return status;
}

int main(int argc, char **argv)
{
    tinyfoa_ort_trainer *trainer = NULL;
    tinyfoa_ort_samples samples = {0};
    tinyfoa_ort_info info;
    tinyfoa_ort_status status;
    void *x, *labels;
    size_t num_numbers;
    if (argc < 5) {
        fprintf(stderr, "usage: learn ARTIFACT SAMPLES.f32 LABELS.i64 FOLDER [EPOCHS]\n");
        return TINYFOA_ORT_USAGE;
    }
    num_numbers = read_numbers(argv[2], sizeof(float), &x);
    samples.count = read_numbers(argv[3], sizeof(int64_t), &labels);
    samples.x = x;
    samples.labels = labels;
    status = tinyfoa_ort_open(argv[1], NULL, &trainer);
    if (status == TINYFOA_ORT_OK) {
        status = tinyfoa_ort_get_info(trainer, &info);
    }
    if (status == TINYFOA_ORT_OK && samples.count * info.sample_size != num_numbers) {
        fprintf(stderr, "%s and %s do not fit together\n", argv[2], argv[3]);
        status = TINYFOA_ORT_INPUT;
    } else if (status == TINYFOA_ORT_OK) {
        printf("%zu samples, on %s\n", samples.count, info.has_kernels ? "kernels" : "function bodies");
        status = learn(trainer, &samples, argc > 5 ? atoll(argv[5]) : 10, argv[4]);
        if (status != TINYFOA_ORT_OK) {
            fprintf(stderr, "%s\n", tinyfoa_ort_last_message());
        }
    } else {
        fprintf(stderr, "%s\n", tinyfoa_ort_last_message());
    }
    tinyfoa_ort_close(trainer);
    free(x);
    free(labels);
    return (int)status;
}
