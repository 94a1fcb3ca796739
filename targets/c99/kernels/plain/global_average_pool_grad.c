#include "../backward.h"

void tfoa_global_average_pool_grad(int32_t planes, int32_t plane_size, const float *grad_y, float *grad_x)
{
    for (int32_t plane = 0; plane < planes; plane++) {
        const float share = grad_y[plane] / (float)plane_size;
        for (int32_t i = 0; i < plane_size; i++) {
            *grad_x++ = share;
        }
    }
}
