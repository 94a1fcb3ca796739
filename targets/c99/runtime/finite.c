/* By their bits: no compiler may assume that there are none. */
#include "finite.h"

#include <string.h>

int tfoa_are_finite(const void *floats, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t word;
        memcpy(&word, (const uint8_t *)floats + 4u * i, 4);
        if ((word & 0x7F800000u) == 0x7F800000u) {
            return 0;
        }
    }
    return 1;
}
