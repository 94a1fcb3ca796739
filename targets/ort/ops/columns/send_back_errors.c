/* The error that a head sends back, 32 units at a time: their entries of some classes are read once for all samples. */
#include "columns.h"
#include "lanes.h"

enum { UNITS = 32, CLASSES = 16, VECTORS = UNITS / TFOA_LANES };

/* Entries of classes [first_class, ...) for units [unit, unit + count),. */
static void read_entries(const tfoa_head_errors *errors, int32_t first_class, int32_t classes, int32_t unit, int32_t count,
                         float (*entries)[UNITS])
{
    for (int32_t c = 0; c < classes; c++) {
        const int64_t row = first_class + c;
        if (errors->signs == 0) {
            memset(entries[c], 0, sizeof entries[c]);
            memcpy(entries[c], errors->head + row * errors->units + unit, sizeof(float) * (size_t)count);
            continue;
        }
        const uint32_t bits = tfoa_bits_from(errors->signs + row * errors->words, errors->words, unit);
        for (int32_t k = 0; k < UNITS; k += TFOA_LANES) {
            tfoa_store8(entries[c] + k, tfoa_select(tfoa_mask_of_bits(bits, k), tfoa_splat(1.0f), tfoa_splat(-1.0f)));
        }
    }
}

void tfoa_send_back_errors(const tfoa_head_errors *errors, int32_t first)
{
    const int32_t left = errors->count - first, count = left < UNITS ? left : UNITS;
    for (int32_t first_class = 0; first_class < errors->classes; first_class += CLASSES) {
        const int32_t classes = errors->classes - first_class < CLASSES ? errors->classes - first_class : CLASSES;
        float entries[CLASSES][UNITS];
        read_entries(errors, first_class, classes, errors->first_unit + first, count, entries);
        for (int32_t row = 0; row < errors->rows; row++) {
            const float *grads = errors->grad_logits + (int64_t)row * errors->classes + first_class;
            float *to = errors->grad_h + (int64_t)row * errors->count + first;
            float sums[UNITS] = {0.0f};
            if (first_class > 0) {
                memcpy(sums, to, sizeof(float) * (size_t)count);
            }
            for (int32_t k = 0; k < UNITS; k += TFOA_LANES) {
                tfoa_f8 sum = tfoa_splat(0.0f);
                for (int32_t c = 0; c < classes; c++) {
                    sum += tfoa_splat(grads[c]) * tfoa_load8(entries[c] + k);
                }
                tfoa_store8(sums + k, tfoa_load8(sums + k) + sum * tfoa_splat(errors->gain));
            }
            memcpy(to, sums, sizeof(float) * (size_t)count);
        }
    }
}
