/* grad_x = (alpha * grad_z) . sign(W): what a dense layer of signs hands back. Where the active slice is apart, w holds zeros. */
#include "kernel_set.h"
#include "operators.h"

enum { GRAD_Z, W, W_SLICE, ORIGIN, ABS_SUM, ABS_SUM_SLICE };

/* alpha of each output, or in all of them that of the tensor. */
static void find_alphas(int32_t ins, int32_t outs, int is_tensor_alpha, float *alphas)
{
    double total = 0.0;
    for (int32_t out = 0; out < outs; out++) {
        alphas[out] /= (float)ins;
        total += (double)alphas[out];
    }
    for (int32_t out = 0; is_tensor_alpha && out < outs; out++) {
        alphas[out] = (float)(total / outs);
    }
}

static void send_back_task(void *data, size_t block)
{
    tfoa_kernels->send_back_errors((const tfoa_back_product *)data, (int32_t)block * 32);
}

void tfoa_packed_sign_dense_input_grad(tfoa_call *call)
{
    const tfoa_tensor grad_z = tfoa_matrix_input(call, GRAD_Z), w = tfoa_matrix_input(call, W), slice = tfoa_input(call, W_SLICE);
    const int32_t rows = grad_z.dims[0], outs = w.dims[0], ins = (int32_t)call->node->attributes.units;
    const int32_t dims[2] = {rows, ins};
    const float *abs_sum = tfoa_floats_input(call, ABS_SUM, outs), *slice_sum = NULL;
    tfoa_origin origin = {0, 0, 0, 0};
    tfoa_expect(call, "columns of grad_z", grad_z.dims[1], outs);
    tfoa_expect(call, "words in a row of w", w.dims[1], TFOA_WORDS(call->node->attributes.units));
    if (slice.data != NULL) {
        origin = tfoa_origin_input(call, ORIGIN, ins, outs);
        tfoa_expect(call, "the size of w_slice", slice.size, (int64_t)origin.outs * TFOA_WORDS((int64_t)origin.ins));
        slice_sum = tfoa_floats_input(call, ABS_SUM_SLICE, origin.outs);
    }
    float *alphas = (float *)tfoa_scratch(call, sizeof *alphas * (size_t)outs);
    float *errors = (float *)tfoa_scratch(call, sizeof *errors * (size_t)grad_z.size);
    tfoa_back_product product = {
        .errors = errors,
        .signs = (const uint32_t *)w.data,
        .slice = (const uint32_t *)slice.data,
        .grad_x = (float *)tfoa_output(call, 0, dims, 2),
        .rows = rows,
        .outs = outs,
        .words = w.dims[1],
        .ins = ins,
        .slice_first_in = origin.first_in,
        .slice_first_out = origin.first_out,
        .slice_outs = origin.ins > 0 ? origin.outs : 0,
        .slice_words = TFOA_WORDS(origin.ins),
        .gain = 1.0f,
    };
    if (call->status != NULL) {
        return;
    }
    for (int32_t out = 0; out < outs; out++) {
        const int32_t behind = out - origin.first_out;
        alphas[out] = abs_sum[out] + (slice_sum != NULL && behind >= 0 && behind < origin.outs ? slice_sum[behind] : 0.0f);
    }
    find_alphas(ins, outs, call->node->attributes.is_tensor_alpha, alphas);
    for (int64_t i = 0; i < grad_z.size; i++) {
        errors[i] = ((const float *)grad_z.data)[i] * alphas[i % outs];
    }
    tfoa_each(call, TFOA_WORDS(ins), (double)grad_z.size * ins / 8, send_back_task, &product);
}
