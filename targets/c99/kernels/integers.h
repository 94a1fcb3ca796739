/* Latent weights that are whole numbers of few bits: q stands for q times the quantum of its layer.
 *
 * They lie in words of 32 bits, the first one in the lowest bits, whatever the processor's order of bytes is. A step adds a whole
 * number to each, its change in quanta, rounded by what is drawn from the layer's key, the number of the step and the place of
 * the weight (docs/training.md). */
#ifndef TFOA_INTEGERS_H
#define TFOA_INTEGERS_H

#include <stdint.h>

struct tfoa_integers;

/* The real values of weights [place, place + count) of q, a pointer to words. */
typedef void tfoa_read_integers(const struct tfoa_integers *integers, const void *q, uint32_t place, uint32_t count,
                                float *reals);

/* As tfoa_pack_signs, of weights [place, place + ins). */
typedef float tfoa_pack_integers(const struct tfoa_integers *integers, const void *q, uint32_t place, int32_t ins,
                                 uint32_t *bits);

/* Whether loops over runs of weights may become vectors; where they do not, a second copy for a count that compilers know is
 * bytes of code alone. */
#if defined(__SSE2__) || defined(__ARM_NEON) || defined(__riscv_vector)
#define TFOA_HAS_VECTORS 1
#else
#define TFOA_HAS_VECTORS 0
#endif

/* The largest number of weights that move at a time: as many as a loop must have for compilers to make vectors of it. */
#define TFOA_RUN 32

/* q <- clip(q + floor(u - change)) of weights [place, place + count), with changes in quanta; `word` is that of the step. */
typedef void tfoa_move_integers(const struct tfoa_integers *integers, uint32_t word, void *q, uint32_t place, int32_t count,
                                const float *changes);

/* The format of a layer; a model of real weights need not carry what it points to. */
typedef struct tfoa_integers {
    uint32_t bits; /* 8, 12 or 16 */
    float quantum;
    uint32_t key;
    tfoa_read_integers *read;
    tfoa_move_integers *move;
    tfoa_pack_integers *pack; /* NULL where products use the weights themselves */
} tfoa_integers;

/* Weights lie in groups that fill words without a gap: 4 of 8 bits and 2 of 16 in a word, 8 of 12 bits in three. */
static inline uint32_t tfoa_group_size(uint32_t bits)
{
    return bits == 12u ? 8u : 32u / bits;
}

static inline uint32_t tfoa_group_words(uint32_t bits)
{
    return bits == 12u ? 3u : 1u;
}

tfoa_read_integers tfoa_read_weights;
tfoa_move_integers tfoa_move_weights;
tfoa_pack_integers tfoa_pack_weights;

#endif
