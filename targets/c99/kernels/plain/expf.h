/* e to the power x in float32: the same bits on every platform, which libm's expf does not give. */
#ifndef TFOA_KERNELS_EXPF_H
#define TFOA_KERNELS_EXPF_H

#include "../floating_point.h"

/* e^x, to within 1 ulp (0.991 at worst over all float32), subnormal results included. e^-inf = 0; e^x = inf above
 * 88.7228394; e^NaN = NaN. */
float tfoa_expf(float x);

#endif
