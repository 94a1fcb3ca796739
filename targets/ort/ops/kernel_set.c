/* One table, compiled with the same -D and processor options as the kernels in it: see CMakeLists.txt. */
#include "kernel_set.h"

#define STRING(text) #text
#define NAME_OF(variant) STRING(variant)
#define JOINED(prefix, variant) prefix##variant
#define TABLE_OF(variant) JOINED(tfoa_kernels_, variant)

extern const tfoa_kernel_set TABLE_OF(TFOA_VARIANT);

const tfoa_kernel_set TABLE_OF(TFOA_VARIANT) = {
    .name = NAME_OF(TFOA_VARIANT),
    .packed_matmul = tfoa_packed_matmul,
    .packed_count = tfoa_packed_count,
    .signed_matmul = tfoa_signed_matmul,
    .turn_bits = tfoa_turn_bits,
    .turn_reals = tfoa_turn_reals,
    .step_on_bits = tfoa_step_on_bits,
    .step_on_reals = tfoa_step_on_reals,
    .step_on_few = tfoa_step_on_few,
    .pack_columns = tfoa_pack_columns,
    .activate_row = tfoa_activate_row,
    .mask_row = tfoa_mask_row,
    .sum_where = tfoa_sum_where,
    .quantize_row = tfoa_quantize_row,
    .multiply_bits = tfoa_multiply_bits,
    .send_back_errors = tfoa_send_back_errors,
    .update_by_momentum = tfoa_update_by_momentum,
    .update_by_length = tfoa_update_by_length,
    .update_by_adam = tfoa_update_by_adam,
    .move_columns = tfoa_move_columns,
    .pack_integer_columns = tfoa_pack_integer_columns,
    .read_integer_columns = tfoa_read_integer_columns,
};
