/* Starts main on an emulated Cortex-M, with the debugger's calls (semihosting) as standard output and exit. All memory is
 * one region that is loaded whole, so nothing is copied; what C wants zero is zero already. */
#include <stdint.h>

#include "../write_line.h"
#include "debugger.h"

void reset(void);
int main(void);

void write_line(const char *text)
{
    ask_debugger(WRITE_TEXT, text);
}

void reset(void)
{
    volatile uint32_t *const coprocessor_access = (volatile uint32_t *)0xE000ED88u;
    *coprocessor_access |= 0xFu << 20; /* the FPU, and MVE with it */
    __asm__ volatile("dsb\n isb");
    exit_with((uint32_t)main());
}

static void fault(void)
{
    exit_with(99u);
}

/* Of exceptions 1 to 15: reset, and what is not meant to happen. The stack's address, before them, is in memory.ld. */
__attribute__((section(".vectors"), used)) static void (*const vectors[15])(void) = {reset, fault, fault, fault, fault, fault};
