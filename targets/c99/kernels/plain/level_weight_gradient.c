/* The gradient of one weight of a dense layer that reads levels. */
#include "weight_steps.h"

float tfoa_level_weight_gradient(const tfoa_slice *slice, const float *grad_z, const tfoa_operand *x, int32_t rows, int32_t out,
                                 int32_t in)
{
    const float *errors = tfoa_errors_of(slice, grad_z, out);
    float sum = 0.0f;
    for (int32_t row = 0; row < rows; row++) {
        const uint32_t level = tfoa_level_at(x->bits + row * 2 * TFOA_WORDS(x->units), x->units, slice->first_in + in);
        sum += errors[row * slice->grad_columns] * ((float)level - x->center);
    }
    return sum * x->scale;
}
