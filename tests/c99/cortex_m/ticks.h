/* SysTick as a counter of instructions, which QEMU's -icount makes of it. It counts down 24 bits and wraps around. */
#ifndef TICKS_H
#define TICKS_H

#include <stdint.h>

#define TICK_BITS 0xFFFFFFu

static volatile uint32_t *const systick = (volatile uint32_t *)0xE000E010u; /* control, reload, current value */

static inline void start_ticks(void)
{
    systick[1] = TICK_BITS;
    systick[2] = 0u;
    systick[0] = 5u; /* the processor's clock, no interrupt */
    while (systick[2] == 0u) {
    }
}

static inline uint32_t ticks(void)
{
    return TICK_BITS - systick[2];
}

static inline uint32_t ticks_since(uint32_t start)
{
    return (ticks() - start) & TICK_BITS;
}

#endif
