#include "../forward.h"

void tfoa_relu(int32_t count, const float *x, float *y)
{
    for (int32_t i = 0; i < count; i++) {
        y[i] = x[i] < 0.0f ? 0.0f : x[i]; /* in this form a NaN stays */
    }
}
