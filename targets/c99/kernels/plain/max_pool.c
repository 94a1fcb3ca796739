#include "max_place.h"

void tfoa_max_pool(const tfoa_window *window, int32_t planes, const float *x, float *y)
{
    int32_t out[2];
    for (int32_t plane = 0; plane < planes; plane++) {
        for (out[0] = 0; out[0] < window->out_size[0]; out[0]++) {
            for (out[1] = 0; out[1] < window->out_size[1]; out[1]++) {
                *y++ = x[tfoa_max_place(window, out, x)];
            }
        }
        x += tfoa_area(window->in_size);
    }
}
