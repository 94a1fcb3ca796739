/* Gradients through activations that have a slope: grad times a function of what was saved. */
#include "../backward.h"
#include "channel_part.h"

typedef float (*slope_function)(float saved, float alpha);

static void multiply_by_slope(const tfoa_channel_part *part, slope_function slope, float alpha, const float *saved, float *grad)
{
    const size_t size = tfoa_part_size(part);
    saved += tfoa_part_start(part);
    for (int32_t sample = 0; sample < part->all.samples; sample++) {
        for (size_t i = 0; i < size; i++) {
            grad[i] *= slope(saved[i], alpha);
        }
        grad += size;
        saved += tfoa_sample_size(&part->all);
    }
}

static float leaky_relu_slope(float y, float alpha)
{
    return y > 0.0f ? 1.0f : alpha;
}

static float hard_sigmoid_slope(float y, float alpha)
{
    return y > 0.0f && y < 1.0f ? alpha : 0.0f;
}

static float hard_swish_slope(float x, float alpha)
{
    (void)alpha;
    if (x < -3.0f) {
        return 0.0f;
    }
    return x > 3.0f ? 1.0f : x * (1.0f / 3.0f) + 0.5f;
}

static float sigmoid_slope(float y, float alpha)
{
    (void)alpha;
    return y * (1.0f - y);
}

static float hyperbolic_tangent_slope(float y, float alpha)
{
    (void)alpha;
    return 1.0f - y * y;
}

void tfoa_leaky_relu_grad(const tfoa_channel_part *part, float alpha, const float *y, float *grad)
{
    multiply_by_slope(part, leaky_relu_slope, alpha, y, grad);
}

void tfoa_hard_sigmoid_grad(const tfoa_channel_part *part, float alpha, const float *y, float *grad)
{
    multiply_by_slope(part, hard_sigmoid_slope, alpha, y, grad);
}

void tfoa_hard_swish_grad(const tfoa_channel_part *part, const float *x, float *grad)
{
    multiply_by_slope(part, hard_swish_slope, 0.0f, x, grad);
}

void tfoa_sigmoid_grad(const tfoa_channel_part *part, const float *y, float *grad)
{
    multiply_by_slope(part, sigmoid_slope, 0.0f, y, grad);
}

void tfoa_tanh_grad(const tfoa_channel_part *part, const float *y, float *grad)
{
    multiply_by_slope(part, hyperbolic_tangent_slope, 0.0f, y, grad);
}
