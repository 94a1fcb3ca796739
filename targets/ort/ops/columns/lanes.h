/* Eight numbers at a time, in the vector extension that gcc and clang share: AVX2, NEON and SSE all come out of one source. */
#ifndef TFOA_LANES_H
#define TFOA_LANES_H

#include <stdint.h>
#include <string.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

enum { TFOA_LANES = 8 };

typedef float tfoa_f8 __attribute__((vector_size(32)));
typedef int32_t tfoa_i8 __attribute__((vector_size(32)));
typedef uint32_t tfoa_u8 __attribute__((vector_size(32)));

static inline tfoa_f8 tfoa_load8(const float *from)
{
    tfoa_f8 lanes;
    memcpy(&lanes, from, sizeof lanes);
    return lanes;
}

static inline void tfoa_store8(float *to, tfoa_f8 lanes)
{
    memcpy(to, &lanes, sizeof lanes);
}

#if defined(__AVX2__)
static inline __m256i tfoa_first_lanes(int32_t count)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
#endif

/* The first `count` <= 8 numbers, zero behind them. */
static inline tfoa_f8 tfoa_load_some(const float *from, int32_t count)
{
#if defined(__AVX2__)
    return (tfoa_f8)_mm256_maskload_ps(from, tfoa_first_lanes(count));
#else
    tfoa_f8 lanes = {0.0f};
    memcpy(&lanes, from, sizeof(float) * (size_t)count);
    return lanes;
#endif
}

static inline void tfoa_store_some(float *to, tfoa_f8 lanes, int32_t count)
{
#if defined(__AVX2__)
    _mm256_maskstore_ps(to, tfoa_first_lanes(count), (__m256)lanes);
#else
    memcpy(to, &lanes, sizeof(float) * (size_t)count);
#endif
}

static inline tfoa_f8 tfoa_splat(float number)
{
    const tfoa_f8 lanes = {number, number, number, number, number, number, number, number};
    return lanes;
}

static inline tfoa_u8 tfoa_splat_word(uint32_t word)
{
    const tfoa_u8 lanes = {word, word, word, word, word, word, word, word};
    return lanes;
}

/* a where the mask is all ones, b where it is zero. */
static inline tfoa_f8 tfoa_select(tfoa_i8 mask, tfoa_f8 a, tfoa_f8 b)
{
#if defined(__AVX2__)
    return (tfoa_f8)_mm256_blendv_ps((__m256)b, (__m256)a, (__m256)mask);
#else
    return (tfoa_f8)((mask & (tfoa_i8)a) | (~mask & (tfoa_i8)b));
#endif
}

/* x in [-limit, limit]; a NaN stays. */
static inline tfoa_f8 tfoa_clip(tfoa_f8 x, tfoa_f8 limit)
{
#if defined(__AVX2__)
    return (tfoa_f8)_mm256_max_ps((__m256)-limit, _mm256_min_ps((__m256)limit, (__m256)x));
#else
    x = tfoa_select(x > limit, limit, x);
    return tfoa_select(x < -limit, -limit, x);
#endif
}

static inline tfoa_f8 tfoa_magnitude(tfoa_f8 x)
{
    return (tfoa_f8)((tfoa_u8)x & tfoa_splat_word(0x7FFFFFFFu));
}

/* All ones in lane i where bit first + i of the word is 1; first is 0, 8, 16 or 24. */
static inline tfoa_i8 tfoa_mask_of_bits(uint32_t word, int32_t first)
{
    const tfoa_u8 places = {1u, 2u, 4u, 8u, 16u, 32u, 64u, 128u};
    return (tfoa_i8)((tfoa_splat_word(word >> first) & places) != 0u);
}

static inline float tfoa_add_lanes(tfoa_f8 x)
{
    return ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]));
}

#endif
