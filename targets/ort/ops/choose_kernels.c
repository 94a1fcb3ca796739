/* Which kernels this processor can run. */
#include <stdlib.h>
#include <string.h>

#include "kernel_set.h"

extern const tfoa_kernel_set tfoa_kernels_swar;
#if defined(TFOA_HAS_NEON)
extern const tfoa_kernel_set tfoa_kernels_neon;
#elif defined(TFOA_HAS_AVX)
extern const tfoa_kernel_set tfoa_kernels_avx2;
extern const tfoa_kernel_set tfoa_kernels_avx512;
#endif

const tfoa_kernel_set *tfoa_kernels = NULL;

/* Fastest first. */
static size_t sets_of_this_processor(const tfoa_kernel_set **sets)
{
    size_t count = 0;
#if defined(TFOA_HAS_NEON)
    sets[count++] = &tfoa_kernels_neon;
#elif defined(TFOA_HAS_AVX)
    __builtin_cpu_init();
    const int has_avx2 = __builtin_cpu_supports("avx2");
    if (has_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vpopcntdq") && __builtin_cpu_supports("avx512vnni")) {
        sets[count++] = &tfoa_kernels_avx512;
    }
    if (has_avx2) {
        sets[count++] = &tfoa_kernels_avx2;
    }
#endif
    sets[count++] = &tfoa_kernels_swar;
    return count;
}

void tfoa_choose_kernels(void)
{
    const tfoa_kernel_set *sets[3];
    const size_t count = sets_of_this_processor(sets);
    const char *wanted = getenv("TINYFOA_OPS_KERNELS");
    tfoa_kernels = sets[0];
    for (size_t i = 0; i < count && wanted != NULL; i++) {
        if (strcmp(sets[i]->name, wanted) == 0) {
            tfoa_kernels = sets[i];
        }
    }
}
