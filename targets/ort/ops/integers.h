/* Weights that are whole numbers, where an operator takes real ones too. */
#ifndef TFOA_OPS_INTEGERS_H
#define TFOA_OPS_INTEGERS_H

#include "kernel_set.h"
#include "operators.h"

/* Weights of an update; `q` is NULL where they are real. */
typedef struct tfoa_integer_weights {
    tfoa_integer_columns columns;
    float quantum;
} tfoa_integer_weights;

/* Input 0, of which input `index` is the quantum and the next one the number of the step; the first output takes the new ones. */
tfoa_integer_weights tfoa_integers_input(tfoa_call *call, const tfoa_tensor *w, size_t index);

/* A rate as updates take it: of whole numbers in quanta and turned round, so that from a weight of 0 they leave the change. */
float tfoa_rate_for(const tfoa_integer_weights *weights, float rate);

#endif
