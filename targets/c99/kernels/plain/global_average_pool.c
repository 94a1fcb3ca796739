#include "../forward.h"

void tfoa_global_average_pool(int32_t planes, int32_t plane_size, const float *x, float *y)
{
    for (int32_t plane = 0; plane < planes; plane++) {
        float total = 0.0f;
        for (int32_t i = 0; i < plane_size; i++) {
            total += *x++;
        }
        y[plane] = total / (float)plane_size;
    }
}
