/* Activations element by element. Sigmoid and tanh are made of our own e^x, so that every platform gives the same bits. */
#include "../forward.h"
#include "expf.h"

void tfoa_neg(int32_t count, const float *x, float *y)
{
    for (int32_t i = 0; i < count; i++) {
        y[i] = -x[i];
    }
}

void tfoa_leaky_relu(int32_t count, float alpha, const float *x, float *y)
{
    for (int32_t i = 0; i < count; i++) {
        y[i] = x[i] < 0.0f ? x[i] * alpha : x[i];
    }
}

/* alpha x + beta, not less than 0 and not more than 1; in this form a NaN stays. */
static float hard_sigmoid(float x, float alpha, float beta)
{
    const float value = alpha * x + beta;
    const float raised = value < 0.0f ? 0.0f : value;
    return raised > 1.0f ? 1.0f : raised;
}

void tfoa_hard_sigmoid(int32_t count, float alpha, float beta, const float *x, float *y)
{
    for (int32_t i = 0; i < count; i++) {
        y[i] = hard_sigmoid(x[i], alpha, beta);
    }
}

void tfoa_hard_swish(int32_t count, const float *x, float *y)
{
    for (int32_t i = 0; i < count; i++) {
        y[i] = x[i] * hard_sigmoid(x[i], 1.0f / 6.0f, 0.5f);
    }
}

/* The power is of a negative number: it does not overflow, and where it is small the quotient is too. */
static float sigmoid(float x)
{
    const float power = tfoa_expf(x < 0.0f ? x : -x);
    return (x < 0.0f ? power : 1.0f) / (1.0f + power);
}

void tfoa_sigmoid(int32_t count, const float *x, float *y)
{
    for (int32_t i = 0; i < count; i++) {
        y[i] = sigmoid(x[i]);
    }
}

/* Near 0 a polynomial x + x^3 P(x^2), fitted for the least relative error up to 0.625; beyond it 1 - 2 / (e^2x + 1). */
static float hyperbolic_tangent(float x)
{
    const float magnitude = x < 0.0f ? -x : x;
    if (magnitude < 0.625f) {
        const float square = x * x;
        float p = -0x1.75e1a8p-8f;
        p = p * square + 0x1.522692p-6f;
        p = p * square - 0x1.b83c58p-5f;
        p = p * square + 0x1.110726p-3f;
        p = p * square - 0x1.555532p-2f;
        return p * square * x + x;
    }
    const float y = 1.0f - 2.0f / (tfoa_expf(2.0f * magnitude) + 1.0f);
    return x < 0.0f ? -y : y;
}

void tfoa_tanh(int32_t count, const float *x, float *y)
{
    for (int32_t i = 0; i < count; i++) {
        y[i] = hyperbolic_tangent(x[i]);
    }
}
