/* The intrinsics of AVX-512 that the kernels use, in plain C as Intel's guide defines them: so the kernels are tested on
 * processors without AVX-512 too. Takes the place of the compiler's header. */
#ifndef AVX512_IN_C_H
#define AVX512_IN_C_H

#include <stdint.h>
#include <string.h>

typedef struct {
    uint64_t lanes[8];
} __m512i;
typedef uint16_t __mmask16;
typedef uint32_t __mmask32;

static inline __m512i _mm512_setzero_si512(void)
{
    const __m512i zero = {{0}};
    return zero;
}

static inline __m512i _mm512_loadu_si512(const void *memory)
{
    __m512i vector;
    memcpy(&vector, memory, sizeof vector);
    return vector;
}

static inline __m512i _mm512_maskz_loadu_epi32(__mmask16 mask, const void *memory)
{
    uint32_t lanes[16] = {0};
    for (int i = 0; i < 16; i++) {
        if ((mask >> i) & 1) {
            lanes[i] = ((const uint32_t *)memory)[i];
        }
    }
    return _mm512_loadu_si512(lanes);
}

static inline __m512i _mm512_and_si512(__m512i a, __m512i b)
{
    for (int i = 0; i < 8; i++) {
        a.lanes[i] &= b.lanes[i];
    }
    return a;
}

static inline __m512i _mm512_or_si512(__m512i a, __m512i b)
{
    for (int i = 0; i < 8; i++) {
        a.lanes[i] |= b.lanes[i];
    }
    return a;
}

static inline __m512i _mm512_slli_epi64(__m512i a, unsigned int count)
{
    for (int i = 0; i < 8; i++) {
        a.lanes[i] <<= count;
    }
    return a;
}

static inline __m512i _mm512_add_epi64(__m512i a, __m512i b)
{
    for (int i = 0; i < 8; i++) {
        a.lanes[i] += b.lanes[i];
    }
    return a;
}

static inline __m512i _mm512_popcnt_epi64(__m512i a)
{
    for (int i = 0; i < 8; i++) {
        uint64_t ones = 0;
        for (int bit = 0; bit < 64; bit++) {
            ones += (a.lanes[i] >> bit) & 1u;
        }
        a.lanes[i] = ones;
    }
    return a;
}

static inline int64_t _mm512_reduce_add_epi64(__m512i a)
{
    uint64_t sum = 0;
    for (int i = 0; i < 8; i++) {
        sum += a.lanes[i];
    }
    return (int64_t)sum;
}

static inline __m512i _mm512_add_epi32(__m512i a, __m512i b)
{
    uint32_t sums[16], others[16];
    memcpy(sums, &a, sizeof sums);
    memcpy(others, &b, sizeof others);
    for (int i = 0; i < 16; i++) {
        sums[i] += others[i];
    }
    return _mm512_loadu_si512(sums);
}

static inline int32_t _mm512_reduce_add_epi32(__m512i a)
{
    uint32_t lanes[16], sum = 0;
    memcpy(lanes, &a, sizeof lanes);
    for (int i = 0; i < 16; i++) {
        sum += lanes[i];
    }
    return (int32_t)sum;
}

static inline __m512i _mm512_set1_epi16(int16_t value)
{
    int16_t lanes[32];
    for (int i = 0; i < 32; i++) {
        lanes[i] = value;
    }
    return _mm512_loadu_si512(lanes);
}

static inline __m512i _mm512_mask_blend_epi16(__mmask32 mask, __m512i a, __m512i b)
{
    int16_t lanes[32], others[32];
    memcpy(lanes, &a, sizeof lanes);
    memcpy(others, &b, sizeof others);
    for (int i = 0; i < 32; i++) {
        lanes[i] = (mask >> i) & 1u ? others[i] : lanes[i];
    }
    return _mm512_loadu_si512(lanes);
}

static inline __m512i _mm512_madd_epi16(__m512i a, __m512i b)
{
    int16_t x[32], y[32];
    int32_t sums[16];
    memcpy(x, &a, sizeof x);
    memcpy(y, &b, sizeof y);
    for (int i = 0; i < 16; i++) {
        sums[i] = (int32_t)((uint32_t)(x[2 * i] * y[2 * i]) + (uint32_t)(x[2 * i + 1] * y[2 * i + 1]));
    }
    return _mm512_loadu_si512(sums);
}

static inline __m512i _mm512_maskz_loadu_epi16(__mmask32 mask, const void *memory)
{
    uint16_t lanes[32] = {0};
    for (int i = 0; i < 32; i++) {
        if ((mask >> i) & 1u) {
            lanes[i] = ((const uint16_t *)memory)[i];
        }
    }
    return _mm512_loadu_si512(lanes);
}

static inline __m512i _mm512_dpwssd_epi32(__m512i sums, __m512i a, __m512i b)
{
    return _mm512_add_epi32(sums, _mm512_madd_epi16(a, b));
}

/* Lanes of 128 bits: its first (half 0) or last (half 1) two numbers of 32 bits of a, each before that of b. */
static inline __m512i unpack_epi32(__m512i a, __m512i b, int half)
{
    uint32_t x[16], y[16], mixed[16];
    memcpy(x, &a, sizeof x);
    memcpy(y, &b, sizeof y);
    for (int i = 0; i < 16; i += 4) {
        for (int k = 0; k < 2; k++) {
            mixed[i + 2 * k] = x[i + 2 * half + k];
            mixed[i + 2 * k + 1] = y[i + 2 * half + k];
        }
    }
    return _mm512_loadu_si512(mixed);
}

static inline __m512i unpack_epi64(__m512i a, __m512i b, int half)
{
    for (int i = 0; i < 8; i += 2) {
        const uint64_t first = a.lanes[i + half];
        a.lanes[i + 1] = b.lanes[i + half];
        a.lanes[i] = first;
    }
    return a;
}

#define _mm512_unpacklo_epi32(a, b) unpack_epi32(a, b, 0)
#define _mm512_unpackhi_epi32(a, b) unpack_epi32(a, b, 1)
#define _mm512_unpacklo_epi64(a, b) unpack_epi64(a, b, 0)
#define _mm512_unpackhi_epi64(a, b) unpack_epi64(a, b, 1)

#endif
