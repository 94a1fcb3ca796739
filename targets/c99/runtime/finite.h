/* NaN and infinity. */
#ifndef TFOA_FINITE_H
#define TFOA_FINITE_H

#include <stdint.h>

/* Whether none of some floats is NaN or infinite. */
int tfoa_are_finite(const void *floats, uint32_t count);

#endif
