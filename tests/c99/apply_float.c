/* Applies a function of one float to arrays, for tests: through ctypes a call an element would take minutes. */
#include <stddef.h>
#include <stdint.h>

#include "../../targets/c99/kernels/plain/expf.h"
#include "../../targets/c99/kernels/plain/logf.h"

void apply_expf(int32_t count, const float *x, float *y);
void apply_logf(int32_t count, const float *x, float *y);

void apply_expf(int32_t count, const float *x, float *y)
{
    for (int32_t i = 0; i < count; i++) {
        y[i] = tfoa_expf(x[i]);
    }
}

void apply_logf(int32_t count, const float *x, float *y)
{
    for (int32_t i = 0; i < count; i++) {
        y[i] = tfoa_logf(x[i]);
    }
}
