/* tinyfoa: a model that learns on a microcontroller, in memory whose size is known before it runs.
 *
 * The caller owns all memory: an arena of RAM for the step (its size is a constant of the generated model), and a storage
 * that keeps its content without power, for everything that is not being updated. Nothing is allocated, nothing is global.
 *
 *     tfoa_storage storage = {&device, device_read, device_write, mapped_or_null, mapped_nbytes};
 *     tfoa_context context;
 *     if (tfoa_init(&context, &net_model, arena, sizeof arena, &storage) == TFOA_ERROR_STATE) {
 *         tfoa_format(&net_model, &storage);            a new device: the weights that the export carries
 *         tfoa_init(&context, &net_model, arena, sizeof arena, &storage);
 *     }
 *     tfoa_train_step(&context, x, &label, rate, &result);
 *     tfoa_predict(&context, x, 1, scores);
 */
#ifndef TINYFOA_H
#define TINYFOA_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TFOA_VERSION_MAJOR 0
#define TFOA_VERSION_MINOR 1
#define TFOA_VERSION_PATCH 0
/* Of what lies in the storage: a state of another format is refused. */
#define TFOA_STATE_FORMAT 2u

typedef enum tfoa_status {
    TFOA_OK = 0,
    TFOA_ERROR_ARGUMENT = -1, /* a null pointer, or a number out of range */
    TFOA_ERROR_ARENA = -2,    /* the arena is smaller than the model's, or not aligned to 4 bytes */
    TFOA_ERROR_STORAGE = -3,  /* a callback of the storage has failed */
    TFOA_ERROR_STATE = -4,    /* the storage holds no state of this model: tfoa_format writes the first one */
    TFOA_ERROR_DONE = -5,     /* every block is trained */
    /* A sample, target or rate is NaN or infinite, and nothing has changed; or the training has diverged: its loss or weights
     * are. Then the turn of the active slice is given up, and training stands where the storage has it: go on with a smaller
     * rate. */
    TFOA_ERROR_NOT_FINITE = -6,
    TFOA_ERROR_DAMAGED = -7 /* a checksum in the storage is wrong: the state is lost, and tfoa_format would write the first one */
} tfoa_status;

/* A device that keeps its bytes without power. A callback returns 0, or anything else where it has failed.
 *
 * A write must be on the device before the next one begins; one that a power cut interrupts may leave anything in the bytes
 * that it was writing, and must leave all others alone. */
typedef struct tfoa_storage {
    void *device;
    int (*read)(void *device, uint32_t offset, void *to, uint32_t nbytes);
    int (*write)(void *device, uint32_t offset, const void *from, uint32_t nbytes);
    const void *mapped;     /* where offset 0 can be read like memory, aligned to 4 bytes; NULL where it cannot */
    uint32_t mapped_nbytes; /* how far that goes: products read the first bytes of the storage, turns of slices the rest */
} tfoa_storage;

/* A generated model: constant data and the calls of its steps. */
typedef struct tfoa_model tfoa_model;

/* How far training has come. */
typedef struct tfoa_progress {
    uint32_t block; /* in training; the number of blocks where all are done */
    uint32_t num_blocks;
    uint32_t slice; /* of the block's weights, in training; where its layers take turns, counted over all of them */
    uint32_t num_slices;
    uint32_t step;        /* steps that this block has taken */
    uint32_t total_steps; /* steps of all blocks */
} tfoa_progress;

/* What a step has found. */
typedef struct tfoa_result {
    float loss;      /* mean over the batch */
    int32_t correct; /* samples of the batch that the block's head classified right; 0 where targets are vectors */
} tfoa_result;

/* One model in use. The fields are private; the struct is here so that the caller can hold it. */
typedef struct tfoa_context {
    const tfoa_model *model;
    uint8_t *arena;
    tfoa_storage storage;
    uint32_t header_offset; /* of the newest header in the storage */
    uint32_t sequence;
    uint32_t block;
    uint32_t step;
    uint32_t total_steps;
    uint32_t rotate_every;
    uint32_t calibrated; /* samples that the block's means were measured on, while they are being measured */
    int32_t turn;        /* of the active slices, or -1 */
    int32_t correct;
    int32_t is_calibrating;
} tfoa_context;

/* "0.1.0": of the library that is linked. */
const char *tfoa_version(void);

/* Bytes that a model needs; of the storage, those that every step reads are the first, and worth being mapped. */
size_t tfoa_arena_nbytes(const tfoa_model *model);
uint32_t tfoa_storage_nbytes(const tfoa_model *model);
uint32_t tfoa_step_nbytes(const tfoa_model *model);

/* Write the state that training begins with. A power cut leaves no state or the whole one. TFOA_ERROR_STATE where the model
 * carries none, because it was exported with the state as a file: then that file is what the storage must hold. */
tfoa_status tfoa_format(const tfoa_model *model, const tfoa_storage *storage);

/* Take up the state in the storage, and finish what a power cut may have interrupted. Reads the whole state and compares its
 * checksums; TFOA_ERROR_DAMAGED where one is wrong. */
tfoa_status tfoa_init(tfoa_context *context, const tfoa_model *model, void *arena, size_t arena_nbytes,
                      const tfoa_storage *storage);

/* Where the next samples may be put (batch x inputs), so that a step need not copy them; it moves with the block. */
float *tfoa_input(tfoa_context *context);

/* Measure how large the block's activations are, and what its batch normalizations see, before its first step: call it for some
 * hundred batches of samples. */
tfoa_status tfoa_calibrate(tfoa_context *context, const float *x);

/* Take one step on a batch, batch x inputs: the number of samples is the plan's. result may be NULL. */
tfoa_status tfoa_train_step(tfoa_context *context, const float *x, const int32_t *labels, float rate, tfoa_result *result);

/* The same for a model that is trained to reproduce vectors, batch x outputs. */
tfoa_status tfoa_train_step_to(tfoa_context *context, const float *x, const float *targets, float rate, tfoa_result *result);

/* Compute the scores of 1 to batch samples, rows x outputs: before Softmax, where the model ends in one. */
tfoa_status tfoa_predict(tfoa_context *context, const float *x, int32_t rows, float *scores);

/* The largest of the scores. */
int32_t tfoa_argmax(const float *scores, int32_t count);

/* End the training of the current block and begin that of the next one. Where it fails nothing has changed, and it can be called
 * again. */
tfoa_status tfoa_next_block(tfoa_context *context);

/* Begin the training of any block anew, from the weights that it has: a trained model learns on from other samples. Its steps
 * count from 0 again, and it may be calibrated again. The number of blocks as `block` ends all training. */
tfoa_status tfoa_train_block(tfoa_context *context, uint32_t block);

/* Write everything that is only in RAM to the storage: after this, a power cut loses nothing. Training goes on as without. */
tfoa_status tfoa_save(tfoa_context *context);

/* Steps that a slice stays before the next one has its turn. Short turns learn better, long ones write less. */
tfoa_status tfoa_set_rotation(tfoa_context *context, uint32_t steps);

tfoa_progress tfoa_get_progress(const tfoa_context *context);

/* The rate at which the current block starts, by the recipe. */
float tfoa_starting_rate(const tfoa_context *context);

/* The rate of step `step` of `num_steps`: up to `start` over the first tenth, then down to zero on half a cosine wave. */
float tfoa_cosine_rate(float start, uint32_t step, uint32_t num_steps);

#ifdef __cplusplus
}
#endif

#endif
