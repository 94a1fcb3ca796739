/* The operators that the library registers: name, types of inputs and outputs, and what runs. */
#ifndef TFOA_OPERATORS_H
#define TFOA_OPERATORS_H

#include "call.h"

enum { TFOA_MAX_PORTS = 9 };

struct tfoa_operator {
    const char *name;
    /* A letter a port: f float32, u uint32 (bits), i int32, l int64, b int8, h int16, * any type; a capital where it may be
     * absent. */
    const char *inputs;
    const char *outputs;
    /* Whether the first output may take the memory of the first input; of other updates a caller binds both to one place. */
    int is_in_place;
    void (*compute)(tfoa_call *call);
};

extern const tfoa_operator tfoa_operators[];
extern const size_t tfoa_num_operators;

void tfoa_packed_binary_dense(tfoa_call *call);
void tfoa_packed_sign_dense(tfoa_call *call);
void tfoa_packed_real_dense(tfoa_call *call);
void tfoa_packed_sign_dense_input_grad(tfoa_call *call);
void tfoa_packed_binary_activation(tfoa_call *call);
void tfoa_packed_binary_to_real(tfoa_call *call);
void tfoa_packed_straight_through_grad(tfoa_call *call);
void tfoa_packed_head_logits(tfoa_call *call);
void tfoa_packed_head_grad(tfoa_call *call);
void tfoa_softmax_cross_entropy_op(tfoa_call *call);
void tfoa_weighted_softmax_cross_entropy_op(tfoa_call *call);
void tfoa_packed_dense_sgd_step(tfoa_call *call);
void tfoa_packed_dense_sgd_step_on_integers(tfoa_call *call);
void tfoa_packed_dense_sign_step(tfoa_call *call);
void tfoa_packed_dense_normalized_step(tfoa_call *call);
void tfoa_packed_dense_normalized_sign_step(tfoa_call *call);
void tfoa_packed_dense_slice_grad(tfoa_call *call);
void tfoa_bias_slice_grad(tfoa_call *call);
void tfoa_sgd_update(tfoa_call *call);
void tfoa_packed_pack_signs(tfoa_call *call);
void tfoa_packed_pack_signs_of_integers(tfoa_call *call);
void tfoa_dequantize(tfoa_call *call);
void tfoa_momentum_update(tfoa_call *call);
void tfoa_adam_update(tfoa_call *call);
void tfoa_normalized_update(tfoa_call *call);
void tfoa_binary_cross_entropy_op(tfoa_call *call);
void tfoa_mean_squared_error_op(tfoa_call *call);

#endif
