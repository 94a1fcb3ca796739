/* A layer as a product sees it: most of it in the storage, the active slice in RAM. */
#ifndef TFOA_LAYER_VIEW_H
#define TFOA_LAYER_VIEW_H

#include "model.h"
#include "storage.h"
#include "turns.h"

typedef struct tfoa_view {
    const tfoa_context *context;
    const tfoa_layer *layer;
    int is_active; /* whether a slice of the layer is in RAM */
    tfoa_part part;
} tfoa_view;

tfoa_view tfoa_view_of(const tfoa_context *context, const tfoa_layer *layer);

int tfoa_is_resident(const tfoa_view *view, int32_t band, int32_t out);

/* alpha of outputs [first, first + count), count <= TFOA_CHUNK. */
tfoa_status tfoa_view_alphas(const tfoa_view *view, int32_t first, int32_t count, float *alphas);

/* alpha and bias of outputs [first, first + count), count <= TFOA_CHUNK: what a sum of signs is scaled by and moved by. */
tfoa_status tfoa_view_scaling(const tfoa_view *view, int32_t first, int32_t count, float *alphas, float *biases);

/* Biases alone; 0 where the layer has none. */
tfoa_status tfoa_view_biases(const tfoa_view *view, int32_t first, int32_t count, float *biases);

/* Make the words [first, ...) of a row's bits within a band readable, as tfoa_peek does. */
uint32_t tfoa_view_bits(const tfoa_view *view, int32_t band, int32_t out, uint32_t first, uint32_t *chunk,
                        const uint32_t **words);

/* Outputs from `out` on, at most up to `end`, of which the rows of a band lie one after the other; 1 where a row may be in
 * pieces. */
int32_t tfoa_view_run(const tfoa_view *view, int32_t band, int32_t out, int32_t end);

/* A slice of latent values: in RAM, or at an offset of the storage. */
typedef struct tfoa_latent {
    tfoa_part part;
    int is_resident;
    uint32_t offset;
} tfoa_latent;

tfoa_status tfoa_view_slice(const tfoa_view *view, uint32_t slice, tfoa_latent *latent);

/* Make the weights [first, ...) of a row of a slice readable, as tfoa_peek does; they are words, to be copied out. */
uint32_t tfoa_view_weights(const tfoa_view *view, const tfoa_latent *latent, int32_t row, uint32_t first, uint32_t *chunk,
                           const void **weights);

#endif
