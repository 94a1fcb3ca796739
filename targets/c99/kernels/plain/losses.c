/* Losses and their gradients, which take the place of what they are computed from. */
#include "../kernels.h"
#include "expf.h"
#include "logf.h"

void tfoa_softmax_cross_entropy(float *logits, const int32_t *target, int32_t rows, int32_t classes, float *loss,
                                int32_t *correct)
{
    float total = 0.0f;
    *correct = 0;
    for (int32_t row = 0; row < rows; row++) {
        int32_t best = 0;
        for (int32_t c = 1; c < classes; c++) {
            best = logits[c] > logits[best] ? c : best;
        }
        const float largest = logits[best];
        const float chosen = logits[target[row]];
        float sum = 0.0f;
        for (int32_t c = 0; c < classes; c++) {
            logits[c] = tfoa_expf(logits[c] - largest);
            sum += logits[c];
        }
        total += tfoa_logf(sum) - (chosen - largest);
        for (int32_t c = 0; c < classes; c++) {
            const float truth = c == target[row] ? 1.0f : 0.0f;
            logits[c] = (logits[c] / sum - truth) / (float)rows;
        }
        *correct += best == target[row];
        logits += classes;
    }
    *loss = total / (float)rows;
}

void tfoa_weighted_softmax_cross_entropy(float *logits, const int32_t *target, const float *weights, int32_t rows,
                                         int32_t classes, float *loss, int32_t *correct)
{
    float total = 0.0f;
    int32_t all_correct = 0;
    for (int32_t row = 0; row < rows; row++) {
        const float factor = weights[target[row]] / (float)rows;
        tfoa_softmax_cross_entropy(logits, target + row, 1, classes, loss, correct);
        for (int32_t c = 0; c < classes; c++) {
            logits[c] *= factor;
        }
        total += *loss * factor;
        all_correct += *correct;
        logits += classes;
    }
    *loss = total;
    *correct = all_correct;
}

void tfoa_binary_cross_entropy(float *logits, const float *target, int32_t rows, int32_t size, float *loss)
{
    float total = 0.0f;
    for (int32_t i = 0; i < rows * size; i++) {
        const float logit = logits[i], larger = logit > 0.0f ? logit : 0.0f;
        const float power = tfoa_expf(logit > 0.0f ? -logit : logit); /* at most 1: nothing overflows */
        const float probability = (logit > 0.0f ? 1.0f : power) / (1.0f + power);
        total += larger - logit * target[i] + tfoa_logf(1.0f + power);
        logits[i] = (probability - target[i]) / (float)rows;
    }
    *loss = total / (float)rows;
}

void tfoa_mean_squared_error(float *output, const float *target, int32_t rows, int32_t size, float *loss)
{
    const int32_t count = rows * size;
    float total = 0.0f;
    for (int32_t i = 0; i < count; i++) {
        const float difference = output[i] - target[i];
        output[i] = difference / (float)count;
        total += difference * output[i];
    }
    *loss = total * 0.5f;
}
