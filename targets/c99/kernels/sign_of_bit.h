/* Signs as bits, one at a time: for the numbers at the end of a row that fill no vector. */
#ifndef TFOA_SIGN_OF_BIT_H
#define TFOA_SIGN_OF_BIT_H

#include <stdint.h>

/* +1 where bit i of the row is 1, else -1. */
static inline int32_t tfoa_sign_of_bit(const uint32_t *row, int32_t i)
{
    return (int32_t)((row[i / 32] >> (i % 32)) & 1u) * 2 - 1;
}

#endif
