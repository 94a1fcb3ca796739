#include "../forward.h"

void tfoa_reshape(int32_t count, const float *x, float *y)
{
    for (int32_t i = 0; i < count; i++) {
        y[i] = x[i];
    }
}
