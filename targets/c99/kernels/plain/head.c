/* Local heads: logits = g s B h, and the error that they send back, g B^T delta.
 *
 * B is +1 where the top bit of a hash of (seed, class, unit) is set, else -1. The hash multiplies between its shifts: shifts and xors
 * alone are linear over GF(2) and would make every class the same pattern up to its sign. The multipliers are those of
 * MurmurHash3's 32-bit finalizer (Appleby, public domain). A pooled head sees the mean of each channel over all positions. */
#include "../forward.h"
#include "../kernels.h"

#define OF_SEED 0x9E3779B1u
#define OF_CLASS 0x85EBCA77u
#define OF_UNIT 0xC2B2AE3Du

static uint32_t is_plus(const tfoa_head *head, int32_t class_number, int32_t unit)
{
    uint32_t x = head->seed * OF_SEED + (uint32_t)class_number * OF_CLASS + (uint32_t)unit * OF_UNIT;
    x = (x ^ (x >> 16)) * 0x85EBCA6Bu;
    x = (x ^ (x >> 13)) * 0xC2B2AE35u;
    return (x ^ (x >> 16)) >> 31;
}

static float entry(const tfoa_head *head, int32_t class_number, int32_t unit)
{
    if (head->stored != 0) {
        return head->stored[class_number * head->units + unit];
    }
    return is_plus(head, class_number, unit) ? 1.0f : -1.0f;
}

void tfoa_head_logits_of_bits(const tfoa_head *head, const uint32_t *h, int32_t rows, float scale, float *logits)
{
    const float factor = scale * head->gain;
    for (int32_t row = 0; row < rows; row++) {
        for (int32_t c = 0; c < head->classes; c++) {
            float sum = 0.0f; /* of whole numbers, and so exact, where the head is hashed */
            for (int32_t unit = 0; unit < head->units; unit++) {
                if ((h[unit / 32] >> (unit % 32)) & 1u) {
                    sum += entry(head, c, unit);
                }
            }
            *logits++ = sum * factor;
        }
        h += TFOA_WORDS(head->units);
    }
}

void tfoa_head_logits(const tfoa_head *head, const float *h, int32_t rows, float scale, float *logits)
{
    const float factor = scale * head->gain;
    for (int32_t row = 0; row < rows; row++) {
        for (int32_t c = 0; c < head->classes; c++) {
            float sum = 0.0f;
            for (int32_t unit = 0; unit < head->units; unit++) {
                sum += h[unit] * entry(head, c, unit);
            }
            *logits++ = sum * factor;
        }
        h += head->units;
    }
}

static float error_of_unit(const tfoa_head *head, const float *grad_logits, int32_t unit)
{
    float sum = 0.0f;
    for (int32_t c = 0; c < head->classes; c++) {
        sum += grad_logits[c] * entry(head, c, unit);
    }
    return sum * head->gain;
}

void tfoa_head_grad(const tfoa_head *head, const tfoa_channel_part *part, const float *grad_logits, float *grad_h)
{
    const int32_t first = part->first * part->all.positions;
    const int32_t end = first + part->count * part->all.positions;
    for (int32_t sample = 0; sample < part->all.samples; sample++) {
        for (int32_t unit = first; unit < end; unit++) {
            *grad_h++ = error_of_unit(head, grad_logits, unit);
        }
        grad_logits += head->classes;
    }
}

static void add_channel_to_logits(const tfoa_head *head, int32_t channel, float value, float *logits)
{
    for (int32_t c = 0; c < head->classes; c++) {
        logits[c] += value * entry(head, c, channel);
    }
}

void tfoa_pooled_head_logits_of_bits(const tfoa_head *head, const tfoa_channels *shape, const uint32_t *h, float scale, float *logits)
{
    const float factor = scale * head->gain / (float)shape->positions;
    tfoa_fill(shape->samples * head->classes, 0.0f, logits);
    for (int32_t sample = 0; sample < shape->samples; sample++) {
        for (int32_t channel = 0; channel < shape->channels; channel++) {
            uint32_t ones = 0;
            for (int32_t i = channel * shape->positions; i < (channel + 1) * shape->positions; i++) {
                ones += (h[i / 32] >> (i % 32)) & 1u;
            }
            add_channel_to_logits(head, channel, (float)ones, logits);
        }
        for (int32_t c = 0; c < head->classes; c++) {
            *logits++ *= factor;
        }
        h += TFOA_WORDS(shape->channels * shape->positions);
    }
}

void tfoa_pooled_head_logits(const tfoa_head *head, const tfoa_channels *shape, const float *h, float *logits)
{
    tfoa_fill(shape->samples * head->classes, 0.0f, logits);
    for (int32_t sample = 0; sample < shape->samples; sample++) {
        for (int32_t channel = 0; channel < shape->channels; channel++) {
            float sum = 0.0f;
            for (int32_t i = 0; i < shape->positions; i++) {
                sum += *h++;
            }
            add_channel_to_logits(head, channel, sum / (float)shape->positions, logits);
        }
        for (int32_t c = 0; c < head->classes; c++) {
            *logits++ *= head->gain;
        }
    }
}

void tfoa_pooled_head_grad(const tfoa_head *head, const tfoa_channel_part *part, const float *grad_logits, float *grad_h)
{
    for (int32_t sample = 0; sample < part->all.samples; sample++) {
        for (int32_t channel = part->first; channel < part->first + part->count; channel++) {
            const float share = error_of_unit(head, grad_logits, channel) / (float)part->all.positions;
            for (int32_t i = 0; i < part->all.positions; i++) {
                *grad_h++ = share;
            }
        }
        grad_logits += head->classes;
    }
}
