/* Starts main on an emulated Cortex-M, with the debugger's calls (semihosting) as standard output and exit. All memory is
 * one region that is loaded whole, so nothing is copied; what C wants zero is zero already. */
#include <stdint.h>

#include "../write_line.h"
#include "debugger.h"

enum { WRITE_TEXT = 0x04, EXIT_WITH_CODE = 0x20, APPLICATION_EXIT = 0x20026 };

void reset(void);
int main(int argc, char **argv); /* one without arguments ignores them */

static void exit_with(uint32_t code)
{
    const uint32_t arguments[2] = {APPLICATION_EXIT, code};
    ask_debugger(EXIT_WITH_CODE, arguments);
}

void write_line(const char *text)
{
    ask_debugger(WRITE_TEXT, text);
}

extern uint32_t stack_bottom[];

/* Paint the stack below this call, so that its use can be measured. */
static void paint_stack(void)
{
    uint32_t *stack_pointer;
    __asm__ volatile("mov %0, sp" : "=r"(stack_pointer));
    for (volatile uint32_t *word = stack_bottom; word < stack_pointer; word++) {
        *word = 0xA5A5A5A5u;
    }
}

void reset(void)
{
    paint_stack();
    volatile uint32_t *const coprocessor_access = (volatile uint32_t *)0xE000ED88u;
    *coprocessor_access |= 0xFu << 20; /* the FPU, and MVE with it */
    __asm__ volatile("dsb\n isb");
    exit_with((uint32_t)main(0, 0));
}

static void fault(void)
{
    exit_with(99u);
}

/* Of exceptions 1 to 15: reset, and what is not meant to happen. The stack's address, before them, is in memory.ld. */
__attribute__((section(".vectors"), used)) static void (*const vectors[15])(void) = {reset, fault, fault, fault, fault, fault};
