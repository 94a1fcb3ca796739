#include "../forward.h"

void tfoa_clip(int32_t count, float min, float max, const float *x, float *y)
{
    for (int32_t i = 0; i < count; i++) {
        const float raised = x[i] < min ? min : x[i];
        y[i] = raised > max ? max : raised;
    }
}
