/* Local heads and their loss. A hashed head is packed signs, so its logits are the product that layers take, and exact. */
#include <string.h>

#include "kernel_set.h"
#include "kernels.h"
#include "operators.h"

enum { H, SCALE, HEAD };

/* Logits of a real head: of each class the entries whose unit is on. */
static void multiply_real_head(const tfoa_tensor *h, const tfoa_tensor *head, float factor, float *logits)
{
    for (int32_t row = 0; row < h->dims[0]; row++) {
        for (int32_t c = 0; c < head->dims[0]; c++) {
            const uint32_t *bits = (const uint32_t *)h->data + (int64_t)row * h->dims[1];
            const float *entries = (const float *)head->data + (int64_t)c * head->dims[1];
            *logits++ = tfoa_kernels->sum_where(entries, head->dims[1], bits, h->dims[1]) * factor;
        }
    }
}

/* Logits of packed signs; `sums` lies where the logits will. */
static void multiply_signs(const tfoa_tensor *h, const tfoa_tensor *head, float factor, int32_t *sums, float *logits)
{
    const int64_t size = (int64_t)h->dims[0] * head->dims[0];
    const tfoa_packed_shape shape = {h->dims[0], head->dims[0], h->dims[1], h->dims[1], h->dims[1]};
    tfoa_kernels->packed_matmul(&shape, (const uint32_t *)h->data, (const uint32_t *)head->data, sums);
    for (int64_t i = 0; i < size; i++) {
        logits[i] = (float)sums[i] * factor;
    }
}

void tfoa_packed_head_logits(tfoa_call *call)
{
    const tfoa_tensor h = tfoa_matrix_input(call, H), head = tfoa_matrix_input(call, HEAD);
    const int is_packed = head.type == ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32;
    const int32_t dims[2] = {h.dims[0], head.dims[0]};
    const int64_t units = call->node->attributes.units;
    tfoa_expect(call, "words in a row of h", h.dims[1], TFOA_WORDS(units));
    tfoa_expect(call, "columns of head", head.dims[1], is_packed ? TFOA_WORDS(units) : units);
    if (!is_packed && head.type != ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT) {
        tfoa_fail(call, "head is neither bits nor float32");
    }
    const float factor = tfoa_number_input(call, SCALE, 1.0f) * call->node->attributes.gain;
    float *logits = (float *)tfoa_output(call, 0, dims, 2);
    int32_t *sums = is_packed ? (int32_t *)tfoa_scratch(call, sizeof *sums * (size_t)dims[0] * (size_t)dims[1]) : NULL;
    if (call->status != NULL) {
        return;
    }
    if (is_packed) {
        multiply_signs(&h, &head, factor, sums, logits);
    } else {
        multiply_real_head(&h, &head, factor, logits);
    }
}

static void send_back_task(void *data, size_t block)
{
    tfoa_kernels->send_back_errors((const tfoa_back_product *)data, (int32_t)block * 32);
}

void tfoa_packed_head_grad(tfoa_call *call)
{
    const tfoa_tensor grad_logits = tfoa_matrix_input(call, 0), head = tfoa_matrix_input(call, 1);
    const int32_t units = (int32_t)call->node->attributes.units;
    const tfoa_origin origin = tfoa_origin_input(call, 2, INT32_MAX, units);
    const int32_t dims[2] = {grad_logits.dims[0], origin.outs};
    tfoa_expect(call, "classes of head", head.dims[0], grad_logits.dims[1]);
    tfoa_expect(call, "words in a row of head", head.dims[1], TFOA_WORDS(units));
    tfoa_back_product product = {
        .errors = (const float *)grad_logits.data,
        .signs = (const uint32_t *)head.data,
        .rows = dims[0],
        .outs = head.dims[0],
        .words = head.dims[1],
        .first_in = origin.first_out,
        .ins = origin.outs,
        .gain = call->node->attributes.gain,
    };
    product.grad_x = (float *)tfoa_output(call, 0, dims, 2);
    if (call->status == NULL) {
        tfoa_each(call, TFOA_WORDS(origin.outs), (double)grad_logits.size * origin.outs / 8, send_back_task, &product);
    }
}

enum { LOGITS, TARGET, WEIGHTS };

/* The cross entropy of classes; samples of classes with weights are multiplied by them. */
static void run_cross_entropy(tfoa_call *call, int has_weights)
{
    const tfoa_tensor logits = tfoa_matrix_input(call, LOGITS), target = tfoa_input(call, TARGET);
    const int32_t rows = logits.dims[0], classes = logits.dims[1];
    const float *weights = has_weights ? tfoa_floats_input(call, WEIGHTS, classes) : NULL;
    int32_t correct;
    float *grad = (float *)tfoa_output(call, 0, logits.dims, 2), *loss = (float *)tfoa_output(call, 1, NULL, 0);
    int32_t *numbers = (int32_t *)tfoa_scratch(call, sizeof *numbers * (size_t)rows);
    tfoa_expect(call, "the size of target", target.data != NULL ? target.size : 0, rows);
    for (int32_t row = 0; row < rows && call->status == NULL; row++) {
        const int64_t number = ((const int64_t *)target.data)[row];
        if (number < 0 || number >= classes) {
            tfoa_fail(call, "a target is no class");
        }
        numbers[row] = (int32_t)number;
    }
    if (call->status != NULL) {
        return;
    }
    if (grad != (float *)logits.data) {
        memcpy(grad, logits.data, sizeof *grad * (size_t)logits.size);
    }
    if (has_weights) {
        tfoa_weighted_softmax_cross_entropy(grad, numbers, weights, rows, classes, loss, &correct);
    } else {
        tfoa_softmax_cross_entropy(grad, numbers, rows, classes, loss, &correct);
    }
}

void tfoa_softmax_cross_entropy_op(tfoa_call *call)
{
    run_cross_entropy(call, 0);
}

void tfoa_weighted_softmax_cross_entropy_op(tfoa_call *call)
{
    run_cross_entropy(call, 1);
}

typedef void loss_of_vectors(float *output, const float *target, int32_t rows, int32_t size, float *loss);

static void run_loss(tfoa_call *call, loss_of_vectors *compute)
{
    const tfoa_tensor output = tfoa_matrix_input(call, 0);
    const float *target = tfoa_floats_input(call, 1, output.size);
    float *grad = (float *)tfoa_output(call, 0, output.dims, 2), *loss = (float *)tfoa_output(call, 1, NULL, 0);
    if (call->status != NULL) {
        return;
    }
    if (grad != (float *)output.data) {
        memcpy(grad, output.data, sizeof *grad * (size_t)output.size);
    }
    compute(grad, target, output.dims[0], output.dims[1], loss);
}

void tfoa_binary_cross_entropy_op(tfoa_call *call)
{
    run_loss(call, tfoa_binary_cross_entropy);
}

void tfoa_mean_squared_error_op(tfoa_call *call)
{
    run_loss(call, tfoa_mean_squared_error);
}
