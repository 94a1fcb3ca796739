/* z = s x . W + b, of bits and real weights: what a classifier computes. */
#include <string.h>

#include "kernel_set.h"
#include "operators.h"

enum { X, W, BIAS, W_SLICE, BIAS_SLICE, ORIGIN };

static void multiply_task(void *data, size_t block)
{
    tfoa_kernels->multiply_bits((const tfoa_bits_product *)data, (int32_t)block * TFOA_BLOCK);
}

static void add_product(tfoa_call *call, tfoa_bits_product *product)
{
    const int32_t blocks = (product->outs + TFOA_BLOCK - 1) / TFOA_BLOCK;
    if (call->status == NULL) {
        tfoa_each(call, blocks, (double)product->rows * product->ins * product->outs / 8, multiply_task, product);
    }
}

/* Biases, to which products are added. */
static void begin(const tfoa_bits_product *product, const float *bias, const float *bias_slice, const tfoa_origin *origin)
{
    for (int32_t row = 0; row < product->rows; row++) {
        float *z = product->z + (int64_t)row * product->z_stride;
        memcpy(z, bias, sizeof *z * (size_t)product->z_stride);
        for (int32_t out = 0; bias_slice != NULL && out < origin->outs; out++) {
            z[origin->first_out + out] += bias_slice[out];
        }
    }
}

void tfoa_packed_real_dense(tfoa_call *call)
{
    const tfoa_tensor x = tfoa_matrix_input(call, X), w = tfoa_matrix_input(call, W), w_slice = tfoa_input(call, W_SLICE);
    const int32_t dims[2] = {x.dims[0], w.dims[1]};
    const float *bias = tfoa_floats_input(call, BIAS, w.dims[1]), *bias_slice = NULL;
    tfoa_origin origin = {0, 0, 0, 0};
    tfoa_expect(call, "words in a row of x", x.dims[1], TFOA_WORDS((int64_t)w.dims[0]));
    if (w_slice.data != NULL) {
        origin = tfoa_origin_input(call, ORIGIN, w.dims[0], w.dims[1]);
        tfoa_expect(call, "the size of w_slice", w_slice.size, (int64_t)origin.ins * origin.outs);
        bias_slice = tfoa_floats_input(call, BIAS_SLICE, origin.outs);
    }
    tfoa_bits_product product = {(const uint32_t *)x.data, (const float *)w.data, NULL, x.dims[0], x.dims[1], 0, w.dims[0],
                                 w.dims[1],                w.dims[1]};
    product.z = (float *)tfoa_output(call, 0, dims, 2);
    if (call->status != NULL) {
        return;
    }
    begin(&product, bias, bias_slice, &origin);
    add_product(call, &product);
    if (w_slice.data != NULL) {
        product.w = (const float *)w_slice.data;
        product.z += origin.first_out;
        product.first_in = origin.first_in;
        product.ins = origin.ins;
        product.outs = origin.outs;
        add_product(call, &product);
    }
}
