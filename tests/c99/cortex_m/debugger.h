/* Calls of the debugger (semihosting) from an emulated Cortex-M. */
#ifndef DEBUGGER_H
#define DEBUGGER_H

#include <stdint.h>

static inline uint32_t ask_debugger(uint32_t operation, const void *argument)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

#endif
