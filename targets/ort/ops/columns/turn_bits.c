/* Bits of four samples side by side, so that one look-up in a table of 16 serves all four. */
#include "columns.h"

/* Bit k of a byte in bit 4 k of a word. */
static uint32_t spread(uint32_t byte)
{
    byte = (byte | (byte << 12)) & 0x000F000Fu;
    byte = (byte | (byte << 6)) & 0x03030303u;
    return (byte | (byte << 3)) & 0x11111111u;
}

void tfoa_turn_bits(const uint32_t *x, int32_t x_words, int32_t rows, int32_t first_in, int32_t ins, uint32_t *turned)
{
    const int32_t groups = TFOA_GROUPS(rows);
    for (int32_t group = 0; group < groups; group++) {
        for (int32_t in = 0; in < ins; in += 32) {
            uint32_t bits[TFOA_GROUP] = {0u, 0u, 0u, 0u};
            for (int32_t k = 0; k < TFOA_GROUP && group * TFOA_GROUP + k < rows; k++) {
                bits[k] = tfoa_bits_from(x + (group * TFOA_GROUP + k) * x_words, x_words, first_in + in);
            }
            for (int32_t byte = 0; byte < 4 && in + 8 * byte < ins; byte++) {
                uint32_t word = 0u;
                for (int32_t k = 0; k < TFOA_GROUP; k++) {
                    word |= spread((bits[k] >> (8 * byte)) & 0xFFu) << k;
                }
                turned[(in / 8 + byte) * groups + group] = word;
            }
        }
    }
}
