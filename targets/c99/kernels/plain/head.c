/* Local heads: logits = g s B h, and the error that they send back, g B^T delta.
 *
 * The entries of a unit are drawn in pairs of opposite signs, for one whose entries were all the same would get no error. Classes
 * whose sum is the unit's pairing, modulo the number of classes, are a pair; so are the two that are left over where that number
 * is even. The entry of a pair's first class is +1 where the top bit of a hash of (seed, class, unit) is set, else -1, and the
 * pairing comes from the hash of class -1. The hash multiplies between its shifts: shifts and xors alone are linear over GF(2)
 * and would make every class the same pattern up to its sign. The multipliers are those of MurmurHash3's 32-bit finalizer
 * (Appleby, public domain). A pooled head sees the mean of each channel over all positions. */
#include "../forward.h"
#include "../kernels.h"

#define OF_SEED 0x9E3779B1u
#define OF_CLASS 0x85EBCA77u
#define OF_UNIT 0xC2B2AE3Du

static uint32_t mix(const tfoa_head *head, int32_t class_number, int32_t unit)
{
    uint32_t x = head->seed * OF_SEED + (uint32_t)class_number * OF_CLASS + (uint32_t)unit * OF_UNIT;
    x = (x ^ (x >> 16)) * 0x85EBCA6Bu;
    x = (x ^ (x >> 13)) * 0xC2B2AE35u;
    return x ^ (x >> 16);
}

static float sign_of(const tfoa_head *head, int32_t class_number, int32_t unit)
{
    return mix(head, class_number, unit) >> 31 ? 1.0f : -1.0f;
}

static int32_t pairing_of(const tfoa_head *head, int32_t unit)
{
    return (int32_t)((uint64_t)mix(head, -1, unit) * (uint32_t)head->classes >> 32);
}

/* The class whose entry is the opposite; the class itself where it is left over. */
static int32_t partner_of(int32_t classes, int32_t pairing, int32_t class_number)
{
    const int32_t partner = pairing - class_number + (pairing < class_number ? classes : 0);
    if (partner != class_number || classes % 2 != 0) {
        return partner;
    }
    return partner < classes / 2 ? partner + classes / 2 : partner - classes / 2;
}

/* An entry of a stored head. */
static float entry_of(const tfoa_head *head, int32_t class_number, int32_t unit)
{
    const int32_t place = class_number * head->units + unit;
    float entry;
    if (head->integers == 0) {
        return head->stored[place];
    }
    head->integers->read(head->integers, head->stored, (uint32_t)place, 1u, &entry);
    return entry;
}

static void add_to_logits(const tfoa_head *head, int32_t unit, float value, float *logits)
{
    if (head->stored != 0) {
        for (int32_t c = 0; c < head->classes; c++) {
            logits[c] += value * entry_of(head, c, unit);
        }
        return;
    }
    const int32_t pairing = pairing_of(head, unit);
    for (int32_t c = 0; c < head->classes; c++) {
        const int32_t partner = partner_of(head->classes, pairing, c);
        if (c <= partner) {
            const float part = value * sign_of(head, c, unit);
            logits[c] += part;
            logits[partner] -= c < partner ? part : 0.0f;
        }
    }
}

static void scale_logits(int32_t count, float factor, float *logits)
{
    for (int32_t c = 0; c < count; c++) {
        logits[c] *= factor;
    }
}

void tfoa_head_logits_of_bits(const tfoa_head *head, const uint32_t *h, int32_t rows, float scale, float *logits)
{
    const float factor = scale * head->gain;
    tfoa_fill(rows * head->classes, 0.0f, logits); /* sums of whole numbers, and so exact, where the head is hashed */
    for (int32_t row = 0; row < rows; row++) {
        for (int32_t unit = 0; unit < head->units; unit++) {
            if ((h[unit / 32] >> (unit % 32)) & 1u) {
                add_to_logits(head, unit, 1.0f, logits);
            }
        }
        scale_logits(head->classes, factor, logits);
        logits += head->classes;
        h += TFOA_WORDS(head->units);
    }
}

void tfoa_head_logits_of_levels(const tfoa_head *head, const uint32_t *h, int32_t rows, float scale, float *logits)
{
    tfoa_fill(rows * head->classes, 0.0f, logits);
    for (int32_t row = 0; row < rows; row++) {
        for (int32_t unit = 0; unit < head->units; unit++) {
            const uint32_t level = tfoa_level_at(h, head->units, unit);
            if (level != 0u) {
                add_to_logits(head, unit, (float)level, logits);
            }
        }
        scale_logits(head->classes, scale * head->gain, logits);
        logits += head->classes;
        h += 2 * TFOA_WORDS(head->units);
    }
}

void tfoa_head_logits(const tfoa_head *head, const float *h, int32_t rows, float *logits)
{
    tfoa_fill(rows * head->classes, 0.0f, logits);
    for (int32_t row = 0; row < rows; row++) {
        for (int32_t unit = 0; unit < head->units; unit++) {
            add_to_logits(head, unit, *h++, logits);
        }
        scale_logits(head->classes, head->gain, logits);
        logits += head->classes;
    }
}

static float error_of_unit(const tfoa_head *head, const float *grad_logits, int32_t unit)
{
    float sum = 0.0f;
    if (head->stored != 0) {
        for (int32_t c = 0; c < head->classes; c++) {
            sum += grad_logits[c] * entry_of(head, c, unit);
        }
        return sum * head->gain;
    }
    const int32_t pairing = pairing_of(head, unit);
    for (int32_t c = 0; c < head->classes; c++) {
        const int32_t partner = partner_of(head->classes, pairing, c);
        if (c <= partner) {
            sum += sign_of(head, c, unit) * (grad_logits[c] - (c < partner ? grad_logits[partner] : 0.0f));
        }
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

void tfoa_pooled_head_logits_of_bits(const tfoa_head *head, const tfoa_channels *shape, const uint32_t *h, float scale,
                                     float *logits)
{
    const float factor = scale * head->gain / (float)shape->positions;
    tfoa_fill(shape->samples * head->classes, 0.0f, logits);
    for (int32_t sample = 0; sample < shape->samples; sample++) {
        for (int32_t channel = 0; channel < shape->channels; channel++) {
            uint32_t ones = 0;
            for (int32_t i = channel * shape->positions; i < (channel + 1) * shape->positions; i++) {
                ones += (h[i / 32] >> (i % 32)) & 1u;
            }
            add_to_logits(head, channel, (float)ones, logits);
        }
        scale_logits(head->classes, factor, logits);
        logits += head->classes;
        h += TFOA_WORDS(shape->channels * shape->positions);
    }
}

void tfoa_pooled_head_logits_of_levels(const tfoa_head *head, const tfoa_channels *shape, const uint32_t *h, float scale,
                                       float *logits)
{
    const int32_t units = shape->channels * shape->positions;
    tfoa_fill(shape->samples * head->classes, 0.0f, logits);
    for (int32_t sample = 0; sample < shape->samples; sample++) {
        for (int32_t channel = 0; channel < shape->channels; channel++) {
            uint32_t sum = 0;
            for (int32_t i = channel * shape->positions; i < (channel + 1) * shape->positions; i++) {
                sum += tfoa_level_at(h, units, i);
            }
            add_to_logits(head, channel, (float)sum, logits);
        }
        scale_logits(head->classes, scale * head->gain / (float)shape->positions, logits);
        logits += head->classes;
        h += 2 * TFOA_WORDS(units);
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
            add_to_logits(head, channel, sum / (float)shape->positions, logits);
        }
        scale_logits(head->classes, head->gain, logits);
        logits += head->classes;
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
