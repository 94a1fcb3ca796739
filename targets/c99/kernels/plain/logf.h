/* Natural logarithm in float32: the same bits on every platform, which libm's logf does not give. */
#ifndef TFOA_KERNELS_LOGF_H
#define TFOA_KERNELS_LOGF_H

#include "../floating_point.h"

/* ln x, to within 1 ulp (0.904 at worst over all float32), of subnormal numbers too. ln 0 = -inf; ln inf = inf; ln of less
 * than 0, and of NaN, is NaN. */
float tfoa_logf(float x);

#endif
