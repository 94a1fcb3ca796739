/* Calls of the debugger (semihosting) from an emulated Cortex-M. */
#ifndef DEBUGGER_H
#define DEBUGGER_H

#include <stdint.h>

enum { WRITE_TEXT = 0x04, EXIT_WITH_CODE = 0x20, APPLICATION_EXIT = 0x20026 };

static inline uint32_t ask_debugger(uint32_t operation, const void *argument)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static inline void exit_with(uint32_t code)
{
    const uint32_t arguments[2] = {APPLICATION_EXIT, code};
    ask_debugger(EXIT_WITH_CODE, arguments);
}

#endif
