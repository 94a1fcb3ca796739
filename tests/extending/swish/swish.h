/* y = x sigmoid(x), and its gradient. */
#ifndef SWISH_H
#define SWISH_H

#include <stdint.h>

#include "kernels/channels.h"

void swish(int32_t size, const float *x, float *y);
void swish_grad(const tfoa_channel_part *part, const float *x, float *grad);

#endif
