/* Operators on weights that are whole numbers alone, and what updates need to know of them. */
#include "integers.h"

#include <string.h>

#include "rounding.h"

enum { PIECE = 16384 /* weights that a thread takes at a time */ };

static int is_wide(tfoa_call *call, const tfoa_tensor *q)
{
    if (q->type != ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8 && q->type != ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16) {
        tfoa_fail(call, "weights are neither int8 nor int16");
    }
    return q->type == ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16;
}

tfoa_integer_weights tfoa_integers_input(tfoa_call *call, const tfoa_tensor *w, size_t index)
{
    tfoa_integer_weights found;
    memset(&found, 0, sizeof found);
    if (call->status != NULL || w->data == NULL || w->type == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT) {
        return found;
    }
    const tfoa_attributes *attributes = &call->node->attributes;
    const tfoa_tensor step = tfoa_input(call, index + 1);
    tfoa_expect(call, "the number of axes of w", w->rank, 2);
    if (step.data != NULL) {
        tfoa_expect(call, "the size of step", step.size, 1);
    }
    found.quantum = tfoa_number_input(call, index, 1.0f);
    found.columns.is_wide = is_wide(call, w);
    if (call->status == NULL) {
        const int64_t number = step.data != NULL ? *(const int64_t *)step.data : 0;
        found.columns.q = w->data;
        found.columns.ins = w->dims[0];
        found.columns.outs = w->dims[1];
        found.columns.most = (int32_t)attributes->most;
        found.columns.word = tfoa_word_of_step((uint32_t)attributes->key, (uint32_t)number);
    }
    return found;
}

float tfoa_rate_for(const tfoa_integer_weights *weights, float rate)
{
    return weights->columns.q != NULL ? -(rate / weights->quantum) : rate;
}

typedef struct reading {
    tfoa_integer_columns columns;
    float quantum;
    int64_t size;
    float *reals;
    uint32_t *bits;
} reading;

static void read_task(void *data, size_t i)
{
    const reading *all = (const reading *)data;
    const int64_t first = (int64_t)i * PIECE, end = first + PIECE;
    tfoa_kernels->read_integer_columns(&all->columns, all->quantum, first, end < all->size ? end : all->size, all->reals);
}

/* q, quantum */
void tfoa_dequantize(tfoa_call *call)
{
    const tfoa_tensor q = tfoa_input(call, 0);
    reading all;
    memset(&all, 0, sizeof all);
    all.columns.q = q.data;
    all.columns.is_wide = is_wide(call, &q);
    all.quantum = tfoa_number_input(call, 1, 1.0f);
    all.size = q.size;
    all.reals = (float *)tfoa_output(call, 0, q.dims, q.rank);
    if (call->status == NULL) {
        tfoa_each(call, (int32_t)((q.size + PIECE - 1) / PIECE), (double)q.size / 4, read_task, &all);
    }
}

static void pack_task(void *data, size_t block)
{
    const reading *all = (const reading *)data;
    tfoa_kernels->pack_integer_columns(&all->columns, all->quantum, (int32_t)block * TFOA_PACK_BLOCK, all->bits, all->reals);
}

/* w, signs, abs_sum, quantum, origin */
void tfoa_packed_pack_signs_of_integers(tfoa_call *call)
{
    const tfoa_tensor w = tfoa_matrix_input(call, 0);
    const int32_t dims[2] = {w.dims[1], TFOA_WORDS(w.dims[0])};
    reading all;
    memset(&all, 0, sizeof all);
    all.columns.q = w.data;
    all.columns.is_wide = is_wide(call, &w);
    all.columns.ins = w.dims[0];
    all.columns.outs = w.dims[1];
    all.quantum = tfoa_number_input(call, 3, 1.0f);
    all.bits = (uint32_t *)tfoa_output(call, 0, dims, 2);
    all.reals = (float *)tfoa_output(call, 1, dims, 1);
    if (call->status == NULL) {
        tfoa_each(call, (w.dims[1] + TFOA_PACK_BLOCK - 1) / TFOA_PACK_BLOCK, (double)w.size / 2, pack_task, &all);
    }
}
