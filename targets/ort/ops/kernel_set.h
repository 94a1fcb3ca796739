/* The kernels as one table, which is compiled once for each kind of processor; the fastest that this one can run is chosen when
 * the library is loaded. */
#ifndef TFOA_KERNEL_SET_H
#define TFOA_KERNEL_SET_H

#include "columns/columns.h"
#include "packed.h"

typedef struct tfoa_kernel_set {
    const char *name;
    void (*packed_matmul)(const tfoa_packed_shape *, const uint32_t *, const uint32_t *, int32_t *);
    int32_t (*packed_count)(const uint32_t *, int32_t);
    void (*signed_matmul)(const tfoa_signed_shape *, const int16_t *, const uint32_t *, int32_t *);
    void (*turn_bits)(const uint32_t *, int32_t, int32_t, int32_t, int32_t, uint32_t *);
    void (*turn_reals)(const float *, int32_t, int32_t, int32_t, int32_t, float *);
    void (*step_on_bits)(const tfoa_columns_step *, int32_t);
    void (*step_on_reals)(const tfoa_columns_step *, int32_t);
    void (*step_on_few)(const tfoa_columns_step *, int32_t);
    void (*pack_columns)(const float *, int32_t, int32_t, int32_t, uint32_t *, float *);
    float (*activate_row)(const float *, int32_t, float, uint32_t *, uint32_t *);
    void (*mask_row)(const float *, int32_t, const uint32_t *, int32_t, int32_t, float *);
    float (*sum_where)(const float *, int32_t, const uint32_t *, int32_t);
    float (*quantize_row)(const float *, int32_t, int16_t *);
    void (*multiply_bits)(const tfoa_bits_product *, int32_t);
    void (*send_back_errors)(const tfoa_back_product *, int32_t);
    void (*update_by_momentum)(const tfoa_moments_update *, int64_t, int64_t);
    float (*update_by_length)(const tfoa_length_update *, int64_t, int64_t);
    void (*update_by_adam)(const tfoa_moments_update *, int64_t, int64_t);
    void (*move_columns)(const tfoa_integer_columns *, int64_t, int32_t, const float *);
    void (*pack_integer_columns)(const tfoa_integer_columns *, float, int32_t, uint32_t *, float *);
    void (*read_integer_columns)(const tfoa_integer_columns *, float, int64_t, int64_t, float *);
} tfoa_kernel_set;

/* The set that operators call; NULL before tfoa_choose_kernels. TINYFOA_OPS_KERNELS names another one than the fastest. */
extern const tfoa_kernel_set *tfoa_kernels;
void tfoa_choose_kernels(void);

#endif
