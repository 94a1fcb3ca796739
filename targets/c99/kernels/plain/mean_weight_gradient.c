/* The gradient of one weight of a head that sees the mean of each channel: the sum over samples of errors times means. */
#include "weight_steps.h"

float tfoa_mean_weight_gradient(const tfoa_slice *slice, const float *grad_z, const tfoa_operand *x, int32_t rows, int32_t out,
                                int32_t in)
{
    const int32_t positions = x->units / x->conv->in_channels;
    const int32_t first = (slice->first_in + in) * positions;
    const float *errors = tfoa_errors_of(slice, grad_z, out);
    float total = 0.0f;
    for (int32_t row = 0; row < rows; row++) {
        float sum = 0.0f;
        for (int32_t i = first; i < first + positions; i++) {
            sum += tfoa_operand_at(x, row, i);
        }
        total += errors[row * slice->grad_columns] * (sum / (float)positions);
    }
    return total * x->scale;
}
