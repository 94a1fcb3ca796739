/* Binary activations, their window, and bits as real numbers. */
#include "kernel_set.h"
#include "operators.h"

typedef struct activation {
    const float *z;
    uint32_t *h, *window;
    float *sums; /* of |z|, a row each */
    int32_t units;
    float floor;
} activation;

static void activate_task(void *data, size_t row)
{
    const activation *all = (const activation *)data;
    const size_t words = (size_t)TFOA_WORDS(all->units);
    uint32_t *window = all->window == NULL ? NULL : all->window + row * words;
    all->sums[row] = tfoa_kernels->activate_row(all->z + row * (size_t)all->units, all->units, all->floor, all->h + row * words, window);
}

void tfoa_packed_binary_activation(tfoa_call *call)
{
    const tfoa_attributes *attributes = &call->node->attributes;
    const tfoa_tensor z = tfoa_matrix_input(call, 0);
    const float scale = tfoa_number_input(call, 1, 0.0f);
    const int32_t rows = z.dims[0], units = z.dims[1], dims[2] = {rows, TFOA_WORDS(units)};
    activation all = {(const float *)z.data, NULL, NULL, NULL, units, attributes->window_floor};
    all.h = (uint32_t *)tfoa_output(call, 0, dims, 2);
    float *scale_next = (float *)tfoa_output(call, 1, NULL, 0);
    all.window = (uint32_t *)tfoa_output(call, 2, dims, 2);
    all.sums = (float *)tfoa_scratch(call, sizeof *all.sums * (size_t)rows);
    if (call->status != NULL) {
        return;
    }
    tfoa_each(call, rows, (double)z.size, activate_task, &all);
    if (scale_next != NULL && call->status == NULL) {
        double total = 0.0;
        for (int32_t row = 0; row < rows; row++) {
            total += (double)all.sums[row];
        }
        const float mean = (float)(total / (double)z.size), share = attributes->momentum;
        *scale_next = scale * share + mean * (1.0f - share);
    }
}

void tfoa_packed_binary_to_real(tfoa_call *call)
{
    const int32_t units = (int32_t)call->node->attributes.units;
    const tfoa_tensor h = tfoa_matrix_input(call, 0);
    const int32_t rows = h.dims[0], dims[2] = {rows, units};
    tfoa_expect(call, "words in a row of h", h.dims[1], TFOA_WORDS(units));
    float *x = (float *)tfoa_output(call, 0, dims, 2);
    const float one = tfoa_number_input(call, 1, 1.0f);
    for (int32_t row = 0; row < rows && call->status == NULL; row++) {
        const uint32_t *bits = (const uint32_t *)h.data + (int64_t)row * h.dims[1];
        for (int32_t i = 0; i < units; i++) {
            *x++ = (bits[i / 32] >> (i % 32)) & 1u ? one : 0.0f;
        }
    }
}

typedef struct masking {
    const float *grad_h;
    const uint32_t *window;
    float *grad_z;
    int32_t count, words, first;
} masking;

static void mask_task(void *data, size_t row)
{
    const masking *all = (const masking *)data;
    const size_t start = row * (size_t)all->count;
    tfoa_kernels->mask_row(all->grad_h + start, all->count, all->window + row * (size_t)all->words, all->words, all->first,
                           all->grad_z + start);
}

void tfoa_packed_straight_through_grad(tfoa_call *call)
{
    const int32_t units = (int32_t)call->node->attributes.units;
    const tfoa_tensor grad_h = tfoa_matrix_input(call, 0), window = tfoa_matrix_input(call, 1);
    const tfoa_origin origin = tfoa_origin_input(call, 2, INT32_MAX, units);
    tfoa_expect(call, "rows of window", window.dims[0], grad_h.dims[0]);
    tfoa_expect(call, "words in a row of window", window.dims[1], TFOA_WORDS(units));
    tfoa_expect(call, "columns of grad_h", grad_h.dims[1], origin.outs);
    masking all = {(const float *)grad_h.data, (const uint32_t *)window.data, NULL, grad_h.dims[1], window.dims[1], origin.first_out};
    all.grad_z = (float *)tfoa_output(call, 0, grad_h.dims, 2);
    if (call->status == NULL) {
        tfoa_each(call, grad_h.dims[0], (double)grad_h.size, mask_task, &all);
    }
}
