/* The gradient of one weight of a convolution: the sum over samples and positions of errors times what the weight was multiplied
 * with. Each row of positions has a sum of its own, so that long sums lose less to rounding. */
#include "taps.h"
#include "weight_steps.h"

static float real_plane_grad(const tfoa_window *window, const tfoa_tap *tap, const float *errors, const float *x)
{
    const size_t stride = (size_t)window->stride[1];
    const size_t count = (size_t)(tap->columns.end - tap->columns.first);
    float total = 0.0f;
    for (int32_t row = tap->rows.first; row < tap->rows.end; row++) {
        const float *error = errors + (size_t)row * (size_t)window->out_size[1] + tap->columns.first;
        const float *from = x + tfoa_tap_start(window, tap, row);
        float sum = 0.0f;
        for (size_t i = 0; i < count; i++) {
            sum += error[i] * from[i * stride];
        }
        total += sum;
    }
    return total;
}

/* x are the bits of a sample, and `image` the first one of the channel. */
static float bit_plane_grad(const tfoa_window *window, const tfoa_tap *tap, const float *errors, const tfoa_operand *x,
                            const uint32_t *bits, size_t image)
{
    const size_t stride = (size_t)window->stride[1];
    const size_t count = (size_t)(tap->columns.end - tap->columns.first);
    const float values[2] = {0.0f - x->center, 1.0f - x->center};
    float total = 0.0f;
    for (int32_t row = tap->rows.first; row < tap->rows.end; row++) {
        const float *error = errors + (size_t)row * (size_t)window->out_size[1] + tap->columns.first;
        size_t bit = image + tfoa_tap_start(window, tap, row);
        float sum = 0.0f;
        for (size_t i = 0; i < count; i++, bit += stride) {
            sum += error[i] * values[(bits[bit / 32u] >> (bit % 32u)) & 1u];
        }
        total += sum;
    }
    return total;
}

float tfoa_conv_weight_gradient(const tfoa_slice *slice, const float *grad_z, const tfoa_operand *x, int32_t rows, int32_t out,
                                int32_t in)
{
    const tfoa_window *window = &x->conv->window;
    const int32_t taps = (int32_t)tfoa_area(window->kernel);
    const tfoa_tap tap = tfoa_tap_of(window, in % taps);
    const size_t image =
        tfoa_input_channel(x->conv, slice->first_out + out, slice->first_in + in / taps) * tfoa_area(window->in_size);
    const float *errors = tfoa_errors_of(slice, grad_z, out);
    float total = 0.0f;
    for (int32_t row = 0; row < rows; row++) {
        if (x->bits == 0) {
            total += real_plane_grad(window, &tap, errors, x->real + (size_t)row * (size_t)x->units + image);
        } else {
            total += bit_plane_grad(window, &tap, errors, x, x->bits + row * TFOA_WORDS(x->units), image);
        }
        errors += slice->grad_columns * slice->positions;
    }
    return x->bits == 0 ? total : total * x->scale;
}
