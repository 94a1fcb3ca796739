/* The driver's files by the debugger's calls, its stack by paint, its instructions by SysTick (QEMU's -icount drives it). */
#include "../driver_io.h"

enum { OPEN = 0x01, CLOSE = 0x02, WRITE = 0x05, READ = 0x06, SEEK = 0x0A, READ_BINARY = 1, WRITE_BINARY = 5, COUNTER_BITS = 0xFFFFFF };

extern uint32_t stack_bottom[];
extern uint32_t stack_top[];
static volatile uint32_t *const systick = (volatile uint32_t *)0xE000E010u; /* control, reload, current value */
static uint32_t in;
static uint32_t out;

static uint32_t ask_debugger(uint32_t operation, const void *argument)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static uint32_t length(const char *text)
{
    uint32_t count = 0;
    while (text[count] != '\0') {
        count++;
    }
    return count;
}

static uint32_t open_file(const char *name, uint32_t mode)
{
    const uint32_t arguments[3] = {(uint32_t)(uintptr_t)name, mode, length(name)};
    return ask_debugger(OPEN, arguments);
}

int io_open(const char *input, const char *output)
{
    in = open_file(input, READ_BINARY);
    out = open_file(output, WRITE_BINARY);
    systick[1] = COUNTER_BITS;
    systick[2] = 0u;
    systick[0] = 5u; /* the processor's clock, no interrupt */
    while (systick[2] == 0u) {
    }
    return in == UINT32_MAX || out == UINT32_MAX;
}

int io_read(uint32_t offset, void *to, uint32_t nbytes)
{
    const uint32_t place[2] = {in, offset};
    const uint32_t arguments[3] = {in, (uint32_t)(uintptr_t)to, nbytes};
    return ask_debugger(SEEK, place) != 0u || ask_debugger(READ, arguments) != 0u;
}

int io_append(const void *from, uint32_t nbytes)
{
    const uint32_t arguments[3] = {out, (uint32_t)(uintptr_t)from, nbytes};
    return ask_debugger(WRITE, arguments) != 0u;
}

int io_close(void)
{
    return ask_debugger(CLOSE, &in) != 0u || ask_debugger(CLOSE, &out) != 0u;
}

uint32_t io_stack_nbytes(void)
{
    const uint32_t *word = stack_bottom;
    while (word < stack_top && *word == 0xA5A5A5A5u) {
        word++;
    }
    return 4u * (uint32_t)(stack_top - word);
}

uint32_t io_ticks(void)
{
    return COUNTER_BITS - systick[2];
}
