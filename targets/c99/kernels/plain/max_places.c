/* Where each window of a pool has its largest element, and the gradient that goes back to there. */
#include "../backward.h"
#include "max_place.h"

void tfoa_max_places(const tfoa_window *window, int32_t planes, const float *x, uint16_t *places)
{
    for (int32_t plane = 0; plane < planes; plane++) {
        int32_t out[2];
        for (out[0] = 0; out[0] < window->out_size[0]; out[0]++) {
            for (out[1] = 0; out[1] < window->out_size[1]; out[1]++) {
                *places++ = (uint16_t)tfoa_max_place(window, out, x);
            }
        }
        x += tfoa_area(window->in_size);
    }
}

void tfoa_max_places_grad(int32_t planes, int32_t in_area, int32_t out_area, const float *grad_y, const uint16_t *places,
                          float *grad_x)
{
    for (int32_t plane = 0; plane < planes; plane++) {
        for (int32_t i = 0; i < in_area; i++) {
            grad_x[i] = 0.0f;
        }
        for (int32_t i = 0; i < out_area; i++) {
            grad_x[*places++] += *grad_y++;
        }
        grad_x += in_area;
    }
}
