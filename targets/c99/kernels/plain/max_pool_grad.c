#include "../backward.h"
#include "max_place.h"

/* One image; returns the end of its grad_y. */
static const float *send_back(const tfoa_window *window, const float *grad_y, const float *x, float *grad_x)
{
    const size_t area = tfoa_area(window->in_size);
    for (size_t i = 0; i < area; i++) {
        grad_x[i] = 0.0f;
    }
    int32_t out[2];
    for (out[0] = 0; out[0] < window->out_size[0]; out[0]++) {
        for (out[1] = 0; out[1] < window->out_size[1]; out[1]++) {
            grad_x[tfoa_max_place(window, out, x)] += *grad_y++;
        }
    }
    return grad_y;
}

void tfoa_max_pool_grad(const tfoa_channel_part *part, const tfoa_window *window, const float *grad_y, const float *x,
                        float *grad_x)
{
    const size_t area = tfoa_area(window->in_size);
    for (int32_t sample = 0; sample < part->all.samples; sample++) {
        for (int32_t channel = part->first; channel < part->first + part->count; channel++) {
            grad_y = send_back(window, grad_y, x + (size_t)channel * area, grad_x);
            grad_x += area;
        }
        x += (size_t)part->all.channels * area;
    }
}
