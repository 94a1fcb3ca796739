/* Gradients of a run of weights of one output: samples one after the other, so that each is added to all sums in one loop. */
#include "weight_steps.h"

static inline void add_reals(float error, const float *restrict reals, int32_t count, float *restrict sums)
{
    for (int32_t i = 0; i < count; i++) {
        sums[i] += error * reals[i];
    }
}

/* A bit adds one of two amounts. */
static inline void add_where_set(float error, float center, const uint32_t *bits, int32_t first, int32_t count, float *sums)
{
    const float amounts[2] = {error * (0.0f - center), error * (1.0f - center)};
    for (int32_t i = 0; i < count; i++) {
        sums[i] += amounts[(bits[(first + i) / 32] >> ((first + i) % 32)) & 1u];
    }
}

static inline void add_samples(const tfoa_slice *slice, const float *errors, const tfoa_operand *x, int32_t rows, int32_t first,
                               int32_t count, float *grads)
{
    for (int32_t i = 0; i < count; i++) {
        grads[i] = 0.0f;
    }
    for (int32_t row = 0; row < rows; row++) {
        const float error = errors[row * slice->grad_columns];
        if (x->bits == 0) {
            add_reals(error, x->real + row * x->units + first, count, grads);
        } else {
            add_where_set(error, x->center, x->bits + row * TFOA_WORDS(x->units), first, count, grads);
        }
    }
    for (int32_t i = 0; i < count; i++) {
        grads[i] *= x->scale;
    }
}

void tfoa_gradient_run(const tfoa_slice *slice, const float *grad_z, const tfoa_operand *x, int32_t rows, int32_t out, int32_t in,
                       float *grads)
{
    const int32_t count = tfoa_run_of(slice->ins - in), first = slice->first_in + in;
    const float *errors = tfoa_errors_of(slice, grad_z, out);
    if (x->gradient != 0) {
        for (int32_t i = 0; i < count; i++) {
            grads[i] = x->gradient(slice, grad_z, x, rows, out, in + i);
        }
    } else if (TFOA_HAS_VECTORS && count == TFOA_RUN) { /* a count that compilers know */
        add_samples(slice, errors, x, rows, first, TFOA_RUN, grads);
    } else {
        add_samples(slice, errors, x, rows, first, count, grads);
    }
}
