/* Steps in proportion to the weights: how long one is follows from the gradients of those before. */
#ifndef TFOA_LENGTH_H
#define TFOA_LENGTH_H

#include "call.h"

typedef struct tfoa_length {
    float factor;  /* what gradients are multiplied by; 0 until one has been measured */
    float longest; /* how far a weight moves at most */
    float power;   /* the running mean of the squares of the gradients */
    float *power_next;
    int32_t *count;
} tfoa_length;

/* Inputs `place` on: power, step_count; they are outputs 1 and 2 as well, and the steps are counted. */
tfoa_length tfoa_read_length(tfoa_call *call, size_t place, float rate);

/* The power follows the gradient of this step: `size` numbers, sums of the squares of which are given. */
void tfoa_follow_power(const tfoa_length *length, const float *sums, int32_t num_sums, double size);

#endif
