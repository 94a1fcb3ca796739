/* Dense products of packed bits: z = alpha s (2 popcount(x & w) - popcount(x)) + b, and that of real inputs with signs.
 *
 * The active slice is apart. In its place w holds zeros, so the ones that x and w have in common and those of the slice add up to those
 * of the whole layer. */
#include <math.h>
#include <string.h>

#include "kernel_set.h"
#include "operators.h"

enum { OUTPUTS = 64, ROWS = 64 /* a tile of sums is 16 KiB of stack, and its weights stay in the first cache */ };

enum { X, W, BIAS, W_SLICE, BIAS_SLICE, ORIGIN, ABS_SUM, ABS_SUM_SLICE, X_SCALE };

typedef struct dense {
    int32_t rows, ins, outs;
    const uint32_t *w, *w_slice; /* w_slice is NULL where nothing is apart */
    const float *bias, *bias_slice, *abs_sum, *abs_sum_slice;
    tfoa_origin origin;
    float x_scale, tensor_alpha; /* tensor_alpha is below 0 where each output has its own */
    float *z;
    /* of bits: */
    const uint32_t *x, *x_part; /* the slice's inputs begin at a word of x_part */
    int32_t x_words, part_stride;
    const int32_t *part_ones; /* of each row of x_part */
    /* of real numbers: */
    const int16_t *q;
    const float *steps;
    const int32_t *part_sums; /* of each row of q, over the slice's inputs */
} dense;

static float whole_abs_sum(const dense *layer, int32_t out)
{
    const int32_t behind = out - layer->origin.first_out;
    const int is_apart = layer->w_slice != NULL && behind >= 0 && behind < layer->origin.outs;
    return layer->abs_sum[out] + (is_apart ? layer->abs_sum_slice[behind] : 0.0f);
}

static void read_layer(tfoa_call *call, dense *layer)
{
    const tfoa_tensor w = tfoa_matrix_input(call, W), w_slice = tfoa_input(call, W_SLICE);
    layer->w = (const uint32_t *)w.data;
    layer->outs = w.dims[0];
    tfoa_expect(call, "words in a row of w", w.dims[1], TFOA_WORDS((int64_t)layer->ins));
    layer->bias = tfoa_floats_input(call, BIAS, layer->outs);
    layer->abs_sum = tfoa_floats_input(call, ABS_SUM, layer->outs);
    layer->x_scale = tfoa_number_input(call, X_SCALE, 1.0f);
    if (w_slice.data != NULL) {
        layer->origin = tfoa_origin_input(call, ORIGIN, layer->ins, layer->outs);
        layer->w_slice = (const uint32_t *)w_slice.data;
        tfoa_expect(call, "the size of w_slice", w_slice.size,
                    (int64_t)layer->origin.outs * TFOA_WORDS((int64_t)layer->origin.ins));
        layer->bias_slice = tfoa_floats_input(call, BIAS_SLICE, layer->origin.outs);
        layer->abs_sum_slice = tfoa_floats_input(call, ABS_SUM_SLICE, layer->origin.outs);
    }
    layer->tensor_alpha = -1.0f;
    if (call->status == NULL && call->node->attributes.is_tensor_alpha) {
        double total = 0.0;
        for (int32_t out = 0; out < layer->outs; out++) {
            total += (double)(whole_abs_sum(layer, out) / (float)layer->ins);
        }
        layer->tensor_alpha = (float)(total / layer->outs);
    }
}

/* z of a tile from its sums: of signs, or of 16-bit numbers, which a step turns into real ones. */
static void scale_tile(const dense *layer, int32_t first_row, int32_t rows, int32_t first, int32_t count, const int32_t *sums)
{
    float gains[OUTPUTS], biases[OUTPUTS];
    for (int32_t i = 0; i < count; i++) {
        const int32_t out = first + i, behind = out - layer->origin.first_out;
        const int is_apart = layer->w_slice != NULL && behind >= 0 && behind < layer->origin.outs;
        const float alpha = layer->tensor_alpha < 0.0f ? whole_abs_sum(layer, out) / (float)layer->ins : layer->tensor_alpha;
        gains[i] = alpha * layer->x_scale;
        biases[i] = layer->bias[out] + (is_apart ? layer->bias_slice[behind] : 0.0f);
    }
    for (int32_t row = 0; row < rows; row++) {
        float *z = layer->z + (int64_t)(first_row + row) * layer->outs + first;
        const float step = layer->steps != NULL ? layer->steps[first_row + row] : 1.0f;
        for (int32_t i = 0; i < count; i++) {
            z[i] = (float)sums[row * count + i] * step * gains[i] + biases[i];
        }
    }
}

/* Outputs of a tile that the slice has: [*from, *to), relative to `first`. */
static void apart_outputs(const dense *layer, int32_t first, int32_t count, int32_t *from, int32_t *to)
{
    const int32_t start = layer->origin.first_out - first, end = start + layer->origin.outs;
    *from = start < 0 ? 0 : start;
    *to = layer->w_slice == NULL ? 0 : (end > count ? count : end);
}

/* Add the slice's sums to those of a tile. `base` is what the slice's part of a row of x counts for without its weights. */
static void add_slice(const int32_t *part, const int32_t *base, int32_t rows, int32_t count, int32_t from, int32_t to, int32_t *sums)
{
    for (int32_t row = 0; row < rows; row++) {
        for (int32_t i = from; i < to; i++) {
            sums[row * count + i] += part[row * (to - from) + i - from] + base[row];
        }
    }
}

static void multiply_bits_tile(const dense *layer, int32_t first_row, int32_t rows, int32_t first, int32_t count)
{
    int32_t sums[ROWS * OUTPUTS], part[ROWS * OUTPUTS], from, to;
    const tfoa_packed_shape shape = {rows, count, layer->x_words, layer->x_words, layer->x_words};
    tfoa_kernels->packed_matmul(&shape, layer->x + (int64_t)first_row * layer->x_words, layer->w + (int64_t)first * layer->x_words, sums);
    apart_outputs(layer, first, count, &from, &to);
    if (from < to) {
        const int32_t words = TFOA_WORDS(layer->origin.ins);
        const tfoa_packed_shape part_shape = {rows, to - from, words, layer->part_stride, words};
        const uint32_t *w = layer->w_slice + (int64_t)(first + from - layer->origin.first_out) * words;
        tfoa_kernels->packed_matmul(&part_shape, layer->x_part + (int64_t)first_row * layer->part_stride, w, part);
        add_slice(part, layer->part_ones + first_row, rows, count, from, to, sums);
    }
    scale_tile(layer, first_row, rows, first, count, sums);
}

static void multiply_reals_tile(const dense *layer, int32_t first_row, int32_t rows, int32_t first, int32_t count)
{
    int32_t sums[ROWS * OUTPUTS], part[ROWS * OUTPUTS], from, to;
    const int32_t words = TFOA_WORDS(layer->ins);
    const int16_t *q = layer->q + (int64_t)first_row * layer->ins;
    const tfoa_signed_shape shape = {rows, count, layer->ins, layer->ins, words};
    tfoa_kernels->signed_matmul(&shape, q, layer->w + (int64_t)first * words, sums);
    apart_outputs(layer, first, count, &from, &to);
    if (from < to) {
        const int32_t part_words = TFOA_WORDS(layer->origin.ins);
        const tfoa_signed_shape part_shape = {rows, to - from, layer->origin.ins, layer->ins, part_words};
        const uint32_t *w = layer->w_slice + (int64_t)(first + from - layer->origin.first_out) * part_words;
        tfoa_kernels->signed_matmul(&part_shape, q + layer->origin.first_in, w, part);
        add_slice(part, layer->part_sums + first_row, rows, count, from, to, sums);
    }
    scale_tile(layer, first_row, rows, first, count, sums);
}

static void multiply_task(void *data, size_t index)
{
    const dense *layer = (const dense *)data;
    const int32_t first = (int32_t)index * OUTPUTS;
    const int32_t count = layer->outs - first < OUTPUTS ? layer->outs - first : OUTPUTS;
    for (int32_t row = 0; row < layer->rows; row += ROWS) {
        const int32_t rows = layer->rows - row < ROWS ? layer->rows - row : ROWS;
        if (layer->x != NULL) {
            multiply_bits_tile(layer, row, rows, first, count);
        } else {
            multiply_reals_tile(layer, row, rows, first, count);
        }
    }
}

static void multiply(tfoa_call *call, dense *layer, double work)
{
    const int32_t dims[2] = {layer->rows, layer->outs};
    layer->z = (float *)tfoa_output(call, 0, dims, 2);
    if (call->status == NULL) {
        tfoa_each(call, (layer->outs + OUTPUTS - 1) / OUTPUTS, work, multiply_task, layer);
    }
}

/* Rows of x whose bits begin with the slice's first input. */
static void find_part(tfoa_call *call, dense *layer)
{
    const int32_t words = TFOA_WORDS(layer->origin.ins);
    int32_t *ones = (int32_t *)tfoa_scratch(call, sizeof *ones * (size_t)layer->rows);
    uint32_t *moved = NULL;
    layer->x_part = layer->x + layer->origin.first_in / 32;
    layer->part_stride = layer->x_words;
    if (layer->origin.first_in % 32 != 0) {
        moved = (uint32_t *)tfoa_scratch(call, sizeof *moved * (size_t)words * (size_t)layer->rows);
        layer->x_part = moved;
        layer->part_stride = words;
    }
    for (int32_t row = 0; row < layer->rows && call->status == NULL; row++) {
        for (int32_t word = 0; moved != NULL && word < words; word++) {
            const uint32_t *x = layer->x + (int64_t)row * layer->x_words;
            moved[(int64_t)row * words + word] = tfoa_bits_from(x, layer->x_words, layer->origin.first_in + 32 * word);
        }
        ones[row] = tfoa_kernels->packed_count(layer->x_part + (int64_t)row * layer->part_stride, words);
    }
    layer->part_ones = ones;
}

void tfoa_packed_binary_dense(tfoa_call *call)
{
    dense layer;
    memset(&layer, 0, sizeof layer);
    const tfoa_tensor x = tfoa_matrix_input(call, X);
    layer.rows = x.dims[0];
    layer.ins = (int32_t)call->node->attributes.units;
    layer.x = (const uint32_t *)x.data;
    layer.x_words = x.dims[1];
    tfoa_expect(call, "words in a row of x", x.dims[1], TFOA_WORDS(call->node->attributes.units));
    read_layer(call, &layer);
    if (call->status == NULL && layer.w_slice != NULL) {
        find_part(call, &layer);
    }
    if (call->status == NULL) {
        multiply(call, &layer, (double)layer.rows * layer.outs * layer.x_words / 4);
    }
}

typedef struct quantizing {
    const float *x;
    dense *layer;
    int16_t *q;
    float *steps;
    int32_t *part_sums;
} quantizing;

static void quantize_task(void *data, size_t row)
{
    const quantizing *all = (const quantizing *)data;
    const dense *layer = all->layer;
    int16_t *q = all->q + row * (size_t)layer->ins;
    uint32_t sum = 0; /* wraps as the kernels' sums do */
    all->steps[row] = tfoa_kernels->quantize_row(all->x + row * (size_t)layer->ins, layer->ins, q);
    for (int32_t i = 0; layer->w_slice != NULL && i < layer->origin.ins; i++) {
        const int32_t number = q[layer->origin.first_in + i];
        sum += (uint32_t)number;
    }
    all->part_sums[row] = (int32_t)sum;
}

void tfoa_packed_sign_dense(tfoa_call *call)
{
    dense layer;
    memset(&layer, 0, sizeof layer);
    const tfoa_tensor x = tfoa_matrix_input(call, X);
    layer.rows = x.dims[0];
    layer.ins = x.dims[1];
    read_layer(call, &layer);
    quantizing all = {(const float *)x.data, &layer, NULL, NULL, NULL};
    all.q = (int16_t *)tfoa_scratch(call, sizeof *all.q * (size_t)x.size);
    all.steps = (float *)tfoa_scratch(call, sizeof *all.steps * (size_t)layer.rows);
    all.part_sums = (int32_t *)tfoa_scratch(call, sizeof *all.part_sums * (size_t)layer.rows);
    if (call->status == NULL) {
        tfoa_each(call, layer.rows, (double)x.size, quantize_task, &all);
        layer.q = all.q;
        layer.steps = all.steps;
        layer.part_sums = all.part_sums;
    }
    if (call->status == NULL) {
        multiply(call, &layer, (double)layer.rows * layer.outs * layer.ins / 8);
    }
}
