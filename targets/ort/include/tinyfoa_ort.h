/* SPDX-License-Identifier: Apache-2.0
 *
 * Training on the device with onnxruntime, for C and for languages that call C (docs/cpp.md).
 *
 *     tinyfoa_ort_trainer *trainer;
 *     if (tinyfoa_ort_open("artifact", NULL, &trainer) != TINYFOA_ORT_OK) {
 *         puts(tinyfoa_ort_last_message());
 *     }
 *     tinyfoa_ort_samples batch = {.x = x, .labels = labels, .count = n};
 *     tinyfoa_ort_train_step(trainer, &batch, &result);
 *     tinyfoa_ort_save(trainer, "trained");
 *     tinyfoa_ort_close(trainer);
 *
 * A trainer belongs to one thread at a time. Pointers must not be NULL unless it is said that they may be.
 */
#ifndef TINYFOA_ORT_H
#define TINYFOA_ORT_H

#include <stddef.h>
#include <stdint.h>

#ifndef TINYFOA_ORT_API
#define TINYFOA_ORT_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef enum tinyfoa_ort_status {
    TINYFOA_ORT_OK = 0,
    TINYFOA_ORT_RUNTIME = 1,         /* onnxruntime failed */
    TINYFOA_ORT_USAGE = 2,           /* the call itself is wrong */
    TINYFOA_ORT_BUDGET_EXCEEDED = 3, /* a run would have passed the memory budget; the state is as it was */
    TINYFOA_ORT_INPUT = 4,           /* a file or samples cannot be used */
    TINYFOA_ORT_OUT_OF_MEMORY = 5
} tinyfoa_ort_status;

typedef struct tinyfoa_ort_trainer tinyfoa_ort_trainer;

#define TINYFOA_ORT_NO_BUDGET ((size_t)-1)

/* All zero is the default. */
typedef struct tinyfoa_ort_options {
    int threads;         /* of a session; 0: one a core */
    size_t budget_bytes; /* RAM of a training step; 0: that of the plan; TINYFOA_ORT_NO_BUDGET: no limit */
    const char *storage; /* folder of memory-mapped files with the latent weights of all slices; NULL: in RAM */
    size_t cache_bytes;  /* what tinyfoa_ort_fit may keep of the blocks before; 0: 256 MiB */
    const char *kernels; /* path of libtinyfoa_ops, or "none"; NULL, "auto": where the system's loader finds it */
} tinyfoa_ort_options;

/* Raw samples in C order, in the model's order of axes; memory of the caller. */
typedef struct tinyfoa_ort_samples {
    const float *x;
    size_t count;
    const int64_t *labels; /* a class from 0 for each sample; NULL where targets are vectors, or to predict */
    const float *targets;  /* a vector of the model's outputs for each sample; NULL where the loss is cross entropy */
    const int64_t *shape;  /* of a raw sample, rank sizes; NULL: as the model's input */
    size_t rank;
} tinyfoa_ort_samples;

typedef struct tinyfoa_ort_settings {
    int64_t epochs;            /* passes over the data for each block */
    double rate;               /* factor on the recipe's rate; 1 to begin with */
    int is_constant;           /* whether tinyfoa_ort_fit keeps the rate; else it falls to zero like a cosine */
    int64_t rotate_every;      /* steps that a slice stays; 0: the recipe's own */
    int64_t seed;              /* of the order of samples */
    const char *const *blocks; /* names of the blocks that are trained, num_blocks of them */
    size_t num_blocks;         /* 0: all */
    const char *sampling;      /* NULL, "uniform": each sample once an epoch; "sqrt", "balanced": drawn by their class */
} tinyfoa_ort_settings;

typedef struct tinyfoa_ort_result {
    float loss;     /* mean of the batch */
    float accuracy; /* share of the batch that the block's head classified right; 0 for a regression */
} tinyfoa_ort_result;

typedef struct tinyfoa_ort_evaluation {
    double loss;              /* mean cross entropy, of a binary one the sum over outputs; or half the mean squared error */
    double accuracy;          /* 0 for a regression */
    double balanced_accuracy; /* mean over the classes that occur; 0 for a regression */
} tinyfoa_ort_evaluation;

typedef struct tinyfoa_ort_info {
    size_t batch;             /* samples a step */
    size_t sample_size;       /* numbers of a sample */
    size_t num_outputs;       /* classes, or the size of a target */
    size_t labels_per_sample; /* that tinyfoa_ort_predict writes: 1, num_outputs where the loss is binary, 0 of a regression */
    size_t num_blocks;
    size_t block;          /* in training; num_blocks where all are done */
    int64_t step;          /* steps that this block has taken */
    int64_t total_steps;   /* steps of all blocks in this round */
    size_t planned_bytes;  /* RAM of the plan */
    size_t last_run_bytes; /* RAM of the last run that succeeded; counted where there is a budget */
    size_t peak_bytes;     /* the most of any run */
    int has_kernels;       /* whether libtinyfoa_ops computes, on packed bits; else function bodies */
} tinyfoa_ort_info;

/* One step of tinyfoa_ort_fit. */
typedef struct tinyfoa_ort_report {
    const char *block;
    int64_t epoch, step; /* of the block, from 0 */
    int64_t num_steps;   /* that the block takes in all */
    int64_t total_steps; /* of all blocks in this round so far, this one included */
    tinyfoa_ort_result result;
} tinyfoa_ort_report;

/* Called after each step; a return value other than 0 stops, and tinyfoa_ort_fit may be called again to go on. */
typedef int (*tinyfoa_ort_on_step)(void *context, const tinyfoa_ort_report *report);

/* The line that says what failed last in this thread. */
TINYFOA_ORT_API const char *tinyfoa_ort_last_message(void);

/* Begin anew with the artifact in a folder. options may be NULL. */
TINYFOA_ORT_API tinyfoa_ort_status tinyfoa_ort_open(const char *folder, const tinyfoa_ort_options *options,
                                                    tinyfoa_ort_trainer **trainer);

/* Go on from the checkpoint in a folder that tinyfoa_ort_save or the Python trainer has written. options may be NULL. */
TINYFOA_ORT_API tinyfoa_ort_status tinyfoa_ort_resume(const char *folder, const tinyfoa_ort_options *options,
                                                      tinyfoa_ort_trainer **trainer);

/* trainer may be NULL. */
TINYFOA_ORT_API void tinyfoa_ort_close(tinyfoa_ort_trainer *trainer);

TINYFOA_ORT_API tinyfoa_ort_status tinyfoa_ort_get_info(const tinyfoa_ort_trainer *trainer, tinyfoa_ort_info *info);

/* How the next tinyfoa_ort_fit trains. One that was stopped goes on as it was begun: tinyfoa_ort_restart leaves it. */
TINYFOA_ORT_API tinyfoa_ort_status tinyfoa_ort_set_settings(tinyfoa_ort_trainer *trainer, const tinyfoa_ort_settings *settings);

/* Samples become (x - mean) / std. count is 1, or the channels, which are axis `axis` of samples (N, ...). */
TINYFOA_ORT_API tinyfoa_ort_status tinyfoa_ort_set_normalization(tinyfoa_ort_trainer *trainer, const double *mean,
                                                                 const double *std, size_t count, int64_t axis);

/* Leave a tinyfoa_ort_fit that was stopped: the next one begins a round from the present weights, a stream block 0. */
TINYFOA_ORT_API tinyfoa_ort_status tinyfoa_ort_restart(tinyfoa_ort_trainer *trainer);

/* Train on a stream: one step of the block in training, at a constant rate; after a tinyfoa_ort_fit that is the last block,
 * unless tinyfoa_ort_train_block says another. Fewer samples than a batch are repeated. result may be NULL. */
TINYFOA_ORT_API tinyfoa_ort_status tinyfoa_ort_train_step(tinyfoa_ort_trainer *trainer, const tinyfoa_ort_samples *samples,
                                                          tinyfoa_ort_result *result);

/* End the training of the current block on a stream. */
TINYFOA_ORT_API tinyfoa_ort_status tinyfoa_ort_next_block(tinyfoa_ort_trainer *trainer);

/* Go (back) to a block on a stream; one that has been trained goes on at the rate measured for it. */
TINYFOA_ORT_API tinyfoa_ort_status tinyfoa_ort_train_block(tinyfoa_ort_trainer *trainer, size_t index);

/* Train every block, or those that the settings name, on a fixed set. Where a fit was stopped it goes on, with the same data;
 * else a round begins from the present weights. on_step may be NULL. */
TINYFOA_ORT_API tinyfoa_ort_status tinyfoa_ort_fit(tinyfoa_ort_trainer *trainer, const tinyfoa_ort_samples *samples,
                                                   tinyfoa_ort_on_step on_step, void *context);

/* The scores of each sample, count times num_outputs: the output before Softmax, where the model ends in one. */
TINYFOA_ORT_API tinyfoa_ort_status tinyfoa_ort_scores(tinyfoa_ort_trainer *trainer, const tinyfoa_ort_samples *samples,
                                                      float *scores);

/* The labels of each sample, count times labels_per_sample: its class, or of a binary loss 0 or 1 of each output. A model that
 * predicts numbers has none and is refused: call tinyfoa_ort_scores. */
TINYFOA_ORT_API tinyfoa_ort_status tinyfoa_ort_predict(tinyfoa_ort_trainer *trainer, const tinyfoa_ort_samples *samples,
                                                       int64_t *labels);

TINYFOA_ORT_API tinyfoa_ort_status tinyfoa_ort_evaluate(tinyfoa_ort_trainer *trainer, const tinyfoa_ort_samples *samples,
                                                        tinyfoa_ort_evaluation *evaluation);

/* Write artifact, checkpoint and the parameters of the inference model; a power cut leaves the old checkpoint or the new one. */
TINYFOA_ORT_API tinyfoa_ort_status tinyfoa_ort_save(tinyfoa_ort_trainer *trainer, const char *folder);

#ifdef __cplusplus
}
#endif

#endif
