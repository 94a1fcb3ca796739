/* Signs and sums of |w|, 32 inputs of a block of outputs at a time: 32 rows of w become one word of each output. */
#include "columns.h"
#include "lanes.h"

/* `lanes` is a constant wherever the block is full, so that the loops have no end to check. */
static inline void pack_words(const float *w, int32_t ins, int32_t outs, int32_t vectors, tfoa_u8 *words, tfoa_f8 *sums)
{
    const tfoa_f8 zero = tfoa_splat(0.0f);
    for (int32_t in = 0; in < ins; in++) {
        const tfoa_u8 place = tfoa_splat_word(1u << in);
        for (int32_t v = 0; v < vectors; v++) {
            const tfoa_f8 numbers = tfoa_load8(w + (int64_t)in * outs + v * TFOA_LANES);
            words[v] |= (tfoa_u8)(numbers >= zero) & place;
            sums[v] += tfoa_magnitude(numbers);
        }
    }
}

static void pack_one(const float *w, int32_t ins, int32_t outs, uint32_t *bits, float *abs_sum)
{
    float sum = 0.0f;
    for (int32_t in = 0; in < ins; in++) {
        const float number = w[(int64_t)in * outs];
        sum += number < 0.0f ? -number : number;
        if (in % 32 == 0) {
            bits[in / 32] = 0u;
        }
        bits[in / 32] |= (uint32_t)(number >= 0.0f) << (in % 32);
    }
    *abs_sum = sum;
}

void tfoa_pack_columns(const float *w, int32_t ins, int32_t outs, int32_t first, uint32_t *bits, float *abs_sums)
{
    enum { VECTORS = TFOA_PACK_BLOCK / TFOA_LANES };
    const int32_t row_words = (ins + 31) / 32;
    if (outs - first < TFOA_PACK_BLOCK) {
        for (int32_t out = first; out < outs; out++) {
            pack_one(w + out, ins, outs, bits + (int64_t)out * row_words, abs_sums + out);
        }
        return;
    }
    tfoa_f8 sums[VECTORS];
    memset(sums, 0, sizeof sums);
    for (int32_t in = 0; in < ins; in += 32) {
        tfoa_u8 words[VECTORS];
        memset(words, 0, sizeof words);
        pack_words(w + (int64_t)in * outs + first, ins - in < 32 ? ins - in : 32, outs, VECTORS, words, sums);
        for (int32_t out = 0; out < TFOA_PACK_BLOCK; out++) {
            bits[(int64_t)(first + out) * row_words + in / 32] = words[out / TFOA_LANES][out % TFOA_LANES];
        }
    }
    memcpy(abs_sums + first, sums, sizeof sums);
}
