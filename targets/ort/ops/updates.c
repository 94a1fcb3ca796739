/* Gradients and updates of slices, and the signs of what they leave. */
#include <float.h>
#include <string.h>

#include "integers.h"
#include "length.h"

enum {
    RUN = 1024,    /* whole numbers whose changes are at hand together */
    TILE_INS = 128 /* inputs of a block of outputs whose changes are */
};

static void bits_task(void *data, size_t block)
{
    tfoa_kernels->step_on_bits((const tfoa_columns_step *)data, (int32_t)block * TFOA_BLOCK);
}

static void reals_task(void *data, size_t block)
{
    tfoa_kernels->step_on_reals((const tfoa_columns_step *)data, (int32_t)block * TFOA_BLOCK);
}

static void few_task(void *data, size_t block)
{
    tfoa_kernels->step_on_few((const tfoa_columns_step *)data, (int32_t)block * TFOA_WIDE_BLOCK);
}

static int32_t columns_of(tfoa_call *call, const tfoa_tensor *x)
{
    return x->type == ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32 ? (int32_t)call->node->attributes.units : x->dims[1];
}

/* The slice's inputs of all samples, side by side. */
static void turn_samples(tfoa_call *call, const tfoa_tensor *x, const tfoa_origin *origin, tfoa_columns_step *step)
{
    if (x->type == ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32) {
        const size_t words = (size_t)((origin->ins + 7) / 8) * (size_t)TFOA_GROUPS(step->rows);
        uint32_t *turned = (uint32_t *)tfoa_scratch(call, sizeof *turned * words);
        if (call->status == NULL) {
            tfoa_kernels->turn_bits((const uint32_t *)x->data, x->dims[1], step->rows, origin->first_in, origin->ins, turned);
        }
        step->turned = turned;
        return;
    }
    const size_t inputs = (size_t)(origin->ins + 3) / 4 * 4;
    float *turned = (float *)tfoa_scratch(call, sizeof *turned * inputs * (size_t)step->rows);
    for (int32_t in = 0; in < origin->ins && call->status == NULL; in += 4) {
        const float *start = (const float *)x->data + origin->first_in;
        tfoa_kernels->turn_reals(start, x->dims[1], step->rows, origin->ins, in, turned + (int64_t)in * step->rows);
    }
    step->turned_reals = turned;
}

/* Samples and errors of a step on bits or real numbers; origin and sizes of the slice are known. */
static void read_operands(tfoa_call *call, const tfoa_tensor *grad_z, const tfoa_tensor *x, const tfoa_origin *origin,
                          tfoa_columns_step *step)
{
    const int32_t first_error = call->node->attributes.has_all_rows != 0 ? origin->first_out : 0;
    const int64_t units = call->node->attributes.units;
    tfoa_expect(call, "rows of grad_z", grad_z->dims[0], x->dims[0]);
    if (x->type == ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32) {
        tfoa_expect(call, "words in a row of x", x->dims[1], (units + 31) / 32);
    } else if (x->type != ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT) {
        tfoa_fail(call, "x is neither bits nor float32");
    }
    if (call->status == NULL && grad_z->dims[1] - first_error < origin->outs) {
        tfoa_fail(call, "grad_z has too few columns");
    }
    step->rows = x->dims[0];
    step->ins = origin->ins;
    step->outs = origin->outs;
    step->error_stride = grad_z->dims[1];
    step->errors = (const float *)grad_z->data + first_error;
    step->center = call->node->attributes.input_center;
    if (call->status == NULL) {
        turn_samples(call, x, origin, step);
    }
}

static void take_step(tfoa_call *call, tfoa_columns_step *step)
{
    const double work = (double)step->ins * step->outs * (2 + step->rows / 8);
    if (call->status != NULL) {
        return;
    }
    if (step->rows <= TFOA_GROUP) {
        tfoa_each(call, (step->outs + TFOA_WIDE_BLOCK - 1) / TFOA_WIDE_BLOCK, work, few_task, step);
    } else {
        tfoa_each(call, (step->outs + TFOA_BLOCK - 1) / TFOA_BLOCK, work, step->turned != NULL ? bits_task : reals_task, step);
    }
}

typedef struct integer_step {
    tfoa_columns_step step;
    tfoa_integer_columns w;
} integer_step;

static void changes_of_tile(const tfoa_columns_step *part)
{
    if (part->rows <= TFOA_GROUP) {
        tfoa_kernels->step_on_few(part, 0);
        return;
    }
    for (int32_t first = 0; first < part->outs; first += TFOA_BLOCK) {
        (part->turned != NULL ? tfoa_kernels->step_on_bits : tfoa_kernels->step_on_reals)(part, first);
    }
}

/* The changes of a wide block of outputs, TILE_INS inputs at a time, and the weights that they move. */
static void integers_task(void *data, size_t block)
{
    const integer_step *all = (const integer_step *)data;
    const int32_t first = (int32_t)block * TFOA_WIDE_BLOCK, left = all->step.outs - first;
    tfoa_columns_step part = all->step;
    float changes[TILE_INS * TFOA_WIDE_BLOCK];
    part.w_next = changes;
    part.outs = left < TFOA_WIDE_BLOCK ? left : TFOA_WIDE_BLOCK;
    part.errors += first;
    for (int32_t in = 0; in < all->step.ins; in += TILE_INS) {
        part.ins = all->step.ins - in < TILE_INS ? all->step.ins - in : TILE_INS;
        if (part.turned != NULL) {
            part.turned = all->step.turned + (int64_t)in / 8 * TFOA_GROUPS(part.rows);
        } else {
            part.turned_reals = all->step.turned_reals + (int64_t)in * part.rows;
        }
        changes_of_tile(&part);
        for (int32_t i = 0; i < part.ins; i++) {
            const int64_t at = (int64_t)(in + i) * all->step.outs + first;
            tfoa_kernels->move_columns(&all->w, at, part.outs, changes + (int64_t)i * part.outs);
        }
    }
}

/* w, grad_z, x, x_scale, rate, quantum, step, origin; w are whole numbers, x is bits or real numbers. */
void tfoa_packed_dense_sgd_step_on_integers(tfoa_call *call)
{
    integer_step all;
    memset(&all, 0, sizeof all);
    const tfoa_tensor w = tfoa_matrix_input(call, 0), grad_z = tfoa_matrix_input(call, 1), x = tfoa_matrix_input(call, 2);
    const float scale = tfoa_number_input(call, 3, 1.0f), rate = tfoa_number_input(call, 4, 0.0f);
    tfoa_integer_weights integers = tfoa_integers_input(call, &w, 5);
    const tfoa_origin origin = tfoa_origin_input(call, 7, columns_of(call, &x), INT32_MAX);
    const tfoa_origin slice = {origin.first_in, origin.first_out, origin.ins, w.dims[1]};
    tfoa_expect(call, "inputs of w", w.dims[0], origin.ins);
    read_operands(call, &grad_z, &x, &slice, &all.step);
    integers.columns.q_next = tfoa_output(call, 0, w.dims, 2);
    if (call->status != NULL) {
        return;
    }
    const int32_t blocks = (w.dims[1] + TFOA_WIDE_BLOCK - 1) / TFOA_WIDE_BLOCK;
    all.w = integers.columns;
    all.step.limit = FLT_MAX;
    all.step.factor = rate / integers.quantum * scale;
    tfoa_each(call, blocks, (double)w.size * (10 + all.step.rows / 8), integers_task, &all);
}

/* w, grad_z, x, and x_scale as the step's factor; x is bits or real numbers, and input `place` says where the slice begins. The
 * first output is w_next; with signs a step leaves them and the sums of |w| too, as the last outputs. */
static tfoa_columns_step read_step(tfoa_call *call, size_t place, int has_signs)
{
    tfoa_columns_step step;
    memset(&step, 0, sizeof step);
    const tfoa_tensor w = tfoa_matrix_input(call, 0), grad_z = tfoa_matrix_input(call, 1), x = tfoa_matrix_input(call, 2);
    const tfoa_origin origin = tfoa_origin_input(call, place, columns_of(call, &x), INT32_MAX);
    const tfoa_origin slice = {origin.first_in, origin.first_out, origin.ins, w.dims[1]};
    const int32_t signs_dims[2] = {w.dims[1], TFOA_WORDS(w.dims[0])};
    const size_t num_updated = place - 4; /* the weights, and what is kept of them */
    tfoa_expect(call, "inputs of w", w.dims[0], origin.ins);
    read_operands(call, &grad_z, &x, &slice, &step);
    step.w = (const float *)w.data;
    step.w_next = (float *)tfoa_output(call, 0, w.dims, 2);
    if (has_signs) {
        step.bits = (uint32_t *)tfoa_output(call, num_updated, signs_dims, 2);
        step.abs_sums = (float *)tfoa_output(call, num_updated + 1, signs_dims, 1);
    }
    step.limit = call->node->attributes.limit;
    step.factor = -tfoa_number_input(call, 3, 1.0f);
    return step;
}

/* w, grad_z, x, x_scale, rate, origin */
static void sgd_step(tfoa_call *call, int has_signs)
{
    tfoa_columns_step step = read_step(call, 5, has_signs);
    step.factor *= tfoa_number_input(call, 4, 0.0f);
    take_step(call, &step);
}

/* w, grad_z, x, x_scale, rate, power, step_count, origin */
static void normalized_step(tfoa_call *call, int has_signs)
{
    tfoa_columns_step step = read_step(call, 7, has_signs);
    const tfoa_length length = tfoa_read_length(call, 5, tfoa_number_input(call, 4, 0.0f));
    const int32_t num_blocks = (step.outs + TFOA_BLOCK - 1) / TFOA_BLOCK;
    step.squares = (float *)tfoa_scratch(call, sizeof *step.squares * (size_t)num_blocks);
    step.share = length.factor;
    step.longest = length.longest;
    if (call->status == NULL && step.rows > TFOA_PASS_ROWS) {
        tfoa_fail(call, "a step that measures its gradient takes 128 samples at most");
    }
    take_step(call, &step);
    if (call->status == NULL) {
        tfoa_follow_power(&length, step.squares, num_blocks, (double)step.ins * step.outs);
    }
}

void tfoa_packed_dense_sgd_step(tfoa_call *call)
{
    sgd_step(call, 0);
}

void tfoa_packed_dense_sign_step(tfoa_call *call)
{
    sgd_step(call, 1);
}

void tfoa_packed_dense_normalized_step(tfoa_call *call)
{
    normalized_step(call, 0);
}

void tfoa_packed_dense_normalized_sign_step(tfoa_call *call)
{
    normalized_step(call, 1);
}

static void sum_errors(const float *errors, int32_t rows, int32_t stride, int32_t count, float *sums)
{
    for (int32_t i = 0; i < count; i++) {
        sums[i] = 0.0f;
    }
    for (int32_t row = 0; row < rows; row++) {
        for (int32_t i = 0; i < count; i++) {
            sums[i] += errors[(int64_t)row * stride + i];
        }
    }
}

/* grad_z, x, x_scale, origin */
void tfoa_packed_dense_slice_grad(tfoa_call *call)
{
    tfoa_columns_step step;
    memset(&step, 0, sizeof step);
    const tfoa_tensor grad_z = tfoa_matrix_input(call, 0), x = tfoa_matrix_input(call, 1);
    tfoa_origin origin = tfoa_origin_input(call, 3, columns_of(call, &x), INT32_MAX);
    const int has_all = call->node->attributes.has_all_rows != 0 && origin.first_out < grad_z.dims[1];
    const int32_t most = grad_z.dims[1] - (has_all ? origin.first_out : 0);
    origin.outs = origin.outs < most ? origin.outs : most;
    const int32_t dims[2] = {origin.ins, origin.outs};
    read_operands(call, &grad_z, &x, &origin, &step);
    step.factor = tfoa_number_input(call, 2, 1.0f);
    step.limit = FLT_MAX;
    step.w_next = (float *)tfoa_output(call, 0, dims, 2);
    float *grad_bias = (float *)tfoa_output(call, 1, dims + 1, 1);
    take_step(call, &step);
    if (call->status == NULL && grad_bias != NULL) {
        sum_errors(step.errors, step.rows, step.error_stride, step.outs, grad_bias);
    }
}

/* grad_z, origin */
void tfoa_bias_slice_grad(tfoa_call *call)
{
    const int has_all = call->node->attributes.has_all_rows != 0;
    const tfoa_tensor grad_z = tfoa_matrix_input(call, 0);
    const tfoa_origin origin = tfoa_origin_input(call, 1, INT32_MAX, INT32_MAX);
    const int32_t first = has_all && origin.first_out < grad_z.dims[1] ? origin.first_out : 0;
    const int32_t left = grad_z.dims[1] - first, count = origin.outs < left ? origin.outs : left;
    float *sums = (float *)tfoa_output(call, 0, &count, 1);
    if (call->status == NULL) {
        sum_errors((const float *)grad_z.data + first, grad_z.dims[0], grad_z.dims[1], count, sums);
    }
}

/* w, grad, rate, and of whole numbers quantum and step */
void tfoa_sgd_update(tfoa_call *call)
{
    const tfoa_tensor w = tfoa_input(call, 0);
    tfoa_integer_weights integers = tfoa_integers_input(call, &w, 3);
    const float *grad = tfoa_floats_input(call, 1, w.size);
    const float rate = tfoa_rate_for(&integers, tfoa_number_input(call, 2, 0.0f));
    const float limit = call->node->attributes.limit;
    void *next = tfoa_output(call, 0, w.dims, w.rank);
    integers.columns.q_next = next;
    for (int64_t i = 0; i < w.size && call->status == NULL && integers.columns.q == NULL; i++) {
        const float moved = ((const float *)w.data)[i] - grad[i] * rate;
        ((float *)next)[i] = moved > limit ? limit : (moved < -limit ? -limit : moved);
    }
    for (int64_t i = 0; i < w.size && call->status == NULL && integers.columns.q != NULL; i += RUN) {
        const int32_t count = w.size - i < RUN ? (int32_t)(w.size - i) : RUN;
        float changes[RUN];
        for (int32_t k = 0; k < count; k++) {
            changes[k] = 0.0f - grad[i + k] * rate;
        }
        tfoa_kernels->move_columns(&integers.columns, i, count, changes);
    }
}

typedef struct packing {
    const float *w;
    uint32_t *bits;
    float *abs_sums;
    int32_t ins, outs;
} packing;

static void pack_task(void *data, size_t block)
{
    const packing *all = (const packing *)data;
    tfoa_kernels->pack_columns(all->w, all->ins, all->outs, (int32_t)block * TFOA_PACK_BLOCK, all->bits, all->abs_sums);
}

/* w, signs, abs_sum, origin: the old signs and sums are read by nobody, but their memory is the new ones'. */
void tfoa_packed_pack_signs(tfoa_call *call)
{
    const tfoa_tensor w = tfoa_matrix_input(call, 0);
    const int32_t dims[2] = {w.dims[1], TFOA_WORDS(w.dims[0])};
    packing all = {(const float *)w.data, NULL, NULL, w.dims[0], w.dims[1]};
    all.bits = (uint32_t *)tfoa_output(call, 0, dims, 2);
    all.abs_sums = (float *)tfoa_output(call, 1, dims, 1);
    if (call->status == NULL) {
        tfoa_each(call, (all.outs + TFOA_PACK_BLOCK - 1) / TFOA_PACK_BLOCK, (double)w.size / 2, pack_task, &all);
    }
}
