/* z = alpha s (2 popcount(x & w) - popcount(x)) + b, a convolution of bits with signs. */
#include "../kernels/conv_products.h"
#include "layer_view.h"
#include "products.h"

/* A group of outputs, which see the same channels, at one position of one sample. */
typedef struct site {
    int32_t first_out;
    int32_t num_outs;
    int32_t position;
} site;

/* Add a part of the group's rows; the patch is that of the group, so the part's output is any of them. */
static tfoa_status add_part(const tfoa_view *view, const site *at, int32_t band, const tfoa_row_part *part, const uint32_t *patch,
                            float *z)
{
    const int32_t num_words = TFOA_WORDS(part->count);
    const int32_t ones = tfoa_packed_count(patch, num_words);
    for (int32_t out = at->first_out; out < at->first_out + at->num_outs; out++) {
        uint32_t chunk[TFOA_CHUNK];
        const uint32_t *words;
        if (tfoa_view_bits(view, band, out, (uint32_t)part->first / 32u, chunk, &words) == 0u) {
            return TFOA_ERROR_STORAGE;
        }
        /* Whole numbers, and so exact in any order. */
        z[out * view->layer->positions + at->position] += (float)(2 * tfoa_packed_dot(patch, words, num_words) - ones);
    }
    return TFOA_OK;
}

static tfoa_status add_site(const tfoa_view *view, const tfoa_conv_shape *shape, const site *at, const uint32_t *x, float *z)
{
    const tfoa_layer *layer = view->layer;
    for (int32_t band = 0; band < layer->num_bands; band++) {
        const int32_t row = (layer->ins[band + 1] - layer->ins[band]) * layer->taps;
        for (int32_t done = 0; done < row; done += 32 * TFOA_CHUNK) {
            const int32_t left = row - done;
            const tfoa_row_part part = {at->first_out, layer->ins[band], done, left < 32 * TFOA_CHUNK ? left : 32 * TFOA_CHUNK};
            uint32_t patch[TFOA_CHUNK];
            tfoa_gather_patch(shape, &part, x, at->position, patch);
            const tfoa_status status = add_part(view, at, band, &part, patch, z);
            if (status != TFOA_OK) {
                return status;
            }
        }
    }
    return TFOA_OK;
}

static tfoa_status sample_sums(const tfoa_view *view, const tfoa_conv_shape *shape, const uint32_t *x, float *z)
{
    const int32_t group_outs = shape->out_channels / shape->groups;
    for (int32_t i = 0; i < shape->out_channels * view->layer->positions; i++) {
        z[i] = 0.0f;
    }
    for (int32_t group = 0; group < shape->groups; group++) {
        site at = {group * group_outs, group_outs, 0};
        for (; at.position < view->layer->positions; at.position++) {
            const tfoa_status status = add_site(view, shape, &at, x, z);
            if (status != TFOA_OK) {
                return status;
            }
        }
    }
    return TFOA_OK;
}

/* Sums of outputs [first, first + count) of all samples become z; count <= TFOA_CHUNK. */
static tfoa_status scale_binary_planes(const tfoa_view *view, int32_t first, int32_t count, float x_scale, int32_t batch, float *z)
{
    const int32_t positions = view->layer->positions;
    const int32_t num_outs = view->layer->outs[view->layer->num_out_parts];
    float alphas[TFOA_CHUNK];
    float biases[TFOA_CHUNK];
    const tfoa_status status = tfoa_view_scaling(view, first, count, alphas, biases);
    for (int32_t sample = 0; sample < batch && status == TFOA_OK; sample++) {
        float *planes = z + (sample * num_outs + first) * positions;
        for (int32_t i = 0; i < count * positions; i++) {
            planes[i] = planes[i] * (alphas[i / positions] * x_scale) + biases[i / positions];
        }
    }
    return status;
}

tfoa_status tfoa_binary_conv(const tfoa_context *context, const tfoa_layer *layer, const tfoa_conv_shape *shape, const uint32_t *x,
                             float x_scale, float *z)
{
    const tfoa_view view = tfoa_view_of(context, layer);
    const int32_t x_words = TFOA_WORDS(shape->in_channels * shape->window.in_size[0] * shape->window.in_size[1]);
    const int32_t num_outs = shape->out_channels;
    tfoa_status status = TFOA_OK;
    for (int32_t sample = 0; sample < shape->batch && status == TFOA_OK; sample++) {
        status = sample_sums(&view, shape, x + sample * x_words, z + sample * num_outs * layer->positions);
    }
    for (int32_t first = 0; first < num_outs && status == TFOA_OK; first += TFOA_CHUNK) {
        const int32_t count = num_outs - first < TFOA_CHUNK ? num_outs - first : TFOA_CHUNK;
        status = scale_binary_planes(&view, first, count, x_scale, shape->batch, z);
    }
    return status;
}
