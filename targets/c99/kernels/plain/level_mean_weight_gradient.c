/* The gradient of one weight of a head that sees the mean of each channel of levels. */
#include "level_planes.h"

float tfoa_level_mean_weight_gradient(const tfoa_slice *slice, const float *grad_z, const tfoa_operand *x, int32_t rows,
                                      int32_t out, int32_t in)
{
    return tfoa_gradient_of_planes(tfoa_mean_weight_gradient, slice, grad_z, x, rows, out, in);
}
