/* z = alpha s (2 popcount(x & w) - popcount(x)) + b, a convolution of bits with signs; of levels twice that of the high bits
 * beside that of the low ones.
 *
 * The bits under the window are gathered once for all outputs of a group. A group of one output, which a depthwise convolution
 * has, would gain nothing by that: there each weight is added at all positions. */
#include <string.h>

#include "../kernels/packed.h"
#include "conv_rows.h"
#include "products.h"

/* A group of outputs, which see the same channels, at one position of a plane of one sample, and how much a bit of it counts. */
typedef struct site {
    int32_t first_out;
    int32_t num_outs;
    int32_t position;
    int32_t value;
} site;

/* Outputs that are summed together. */
#define GROUP 32

/* Add a part of the group's rows; the patch is that of the group, so the part's output is any of them. */
static tfoa_status add_part(const tfoa_view *view, const site *at, int32_t band, const tfoa_row_part *part, const uint32_t *patch,
                            int32_t *sums)
{
    const int32_t positions = view->layer->positions;
    const int32_t end = at->first_out + at->num_outs;
    const int32_t num_words = TFOA_WORDS(part->count);
    for (int32_t out = at->first_out; out < end;) {
        uint32_t chunk[TFOA_CHUNK];
        const uint32_t *words;
        int32_t dots[GROUP];
        const int32_t count = tfoa_view_run(view, band, out, end - out < GROUP ? end : out + GROUP);
        if (tfoa_view_bits(view, band, out, (uint32_t)part->first / 32u, chunk, &words) == 0u) {
            return TFOA_ERROR_STORAGE;
        }
        const tfoa_packed_shape shape = {1, count, num_words, num_words, (int32_t)tfoa_row_words(view->layer, band)};
        tfoa_packed_matmul(&shape, patch, words, dots);
        for (int32_t i = 0; i < count; i++) {
            sums[(out + i) * positions + at->position] += dots[i] * at->value;
        }
        out += count;
    }
    return TFOA_OK;
}

static tfoa_status add_site(const tfoa_view *view, const tfoa_conv_shape *shape, const site *at, const uint32_t *x, int32_t *sums)
{
    const tfoa_layer *layer = view->layer;
    for (int32_t band = 0; band < layer->num_bands; band++) {
        const int32_t row = (layer->ins[band + 1] - layer->ins[band]) * layer->taps;
        for (int32_t done = 0; done < row; done += 32 * TFOA_CHUNK) {
            const int32_t left = row - done;
            const tfoa_row_part part = {at->first_out, layer->ins[band], done, left < 32 * TFOA_CHUNK ? left : 32 * TFOA_CHUNK};
            uint32_t patch[TFOA_CHUNK];
            tfoa_gather_patch(shape, &part, x, at->position, patch);
            const tfoa_status status = add_part(view, at, band, &part, patch, sums);
            if (status != TFOA_OK) {
                return status;
            }
        }
    }
    return TFOA_OK;
}

static tfoa_status group_plane_sums(const tfoa_view *view, const tfoa_conv_input *x, int32_t first_out, int32_t num_outs,
                                    int32_t *sums)
{
    if (num_outs == 1) {
        return tfoa_sign_row_sums(view, x, first_out, sums + first_out * view->layer->positions);
    }
    memset(sums + first_out * view->layer->positions, 0, sizeof *sums * (size_t)(num_outs * view->layer->positions));
    for (int32_t plane = 0; plane < x->planes; plane++) {
        const uint32_t *bits = x->bits + plane * tfoa_plane_words(x->shape);
        for (site at = {first_out, num_outs, 0, 1 << plane}; at.position < view->layer->positions; at.position++) {
            const tfoa_status status = add_site(view, x->shape, &at, bits, sums);
            if (status != TFOA_OK) {
                return status;
            }
        }
    }
    return TFOA_OK;
}

static tfoa_status conv_product(const tfoa_context *context, const tfoa_layer *layer, const tfoa_conv_input *x, float x_scale,
                                float *z)
{
    const tfoa_conv_shape *shape = x->shape;
    const tfoa_view view = tfoa_view_of(context, layer);
    tfoa_conv_input input = *x;
    const int32_t group_outs = shape->out_channels / shape->groups;
    tfoa_status status = TFOA_OK;
    for (int32_t sample = 0; sample < shape->batch && status == TFOA_OK; sample++) {
        float *planes = z + sample * shape->out_channels * layer->positions;
        for (int32_t out = 0; out < shape->out_channels && status == TFOA_OK; out += group_outs) {
            status = group_plane_sums(&view, &input, out, group_outs, (int32_t *)(void *)planes);
        }
        if (status == TFOA_OK) {
            status = tfoa_scale_conv_sums(&view, 1.0f, x_scale, planes);
        }
        input.bits += x->planes * tfoa_plane_words(shape);
    }
    return status;
}

tfoa_status tfoa_binary_conv(const tfoa_context *context, const tfoa_layer *layer, const tfoa_conv_shape *shape,
                             const uint32_t *x, float x_scale, float *z)
{
    const tfoa_conv_input bits = {shape, x, NULL, 1};
    return conv_product(context, layer, &bits, x_scale, z);
}

tfoa_status tfoa_level_conv(const tfoa_context *context, const tfoa_layer *layer, const tfoa_conv_shape *shape, const uint32_t *x,
                            float x_scale, float *z)
{
    const tfoa_conv_input levels = {shape, x, NULL, 2};
    return conv_product(context, layer, &levels, x_scale, z);
}
