/* Start of an emulated Cortex-M board, and its debugger's calls (semihosting). */
#include "machine.h"

#include "../cortex_m/debugger.h"
#include "../cortex_m/ticks.h"
#include "../write_line.h"

enum { OPEN = 0x01, WRITE = 0x05, READ = 0x06, SEEK = 0x0A };
enum { PAINT = 0x5AFEC0DE };

extern uint32_t data_start[], data_end[], data_source[], bss_start[], bss_end[], stack_top[];

int main(void);
void reset(void);

void write_line(const char *text)
{
    ask_debugger(WRITE_TEXT, text);
}

int32_t machine_open(const char *name)
{
    uint32_t length = 0;
    while (name[length] != '\0') {
        length++;
    }
    const uint32_t arguments[3] = {(uint32_t)name, 3u /* "r+b" */, length};
    return (int32_t)ask_debugger(OPEN, arguments);
}

uint32_t machine_read(int32_t handle, void *to, uint32_t nbytes)
{
    const uint32_t arguments[3] = {(uint32_t)handle, (uint32_t)to, nbytes};
    return nbytes - ask_debugger(READ, arguments);
}

uint32_t machine_write(int32_t handle, const void *from, uint32_t nbytes)
{
    const uint32_t arguments[3] = {(uint32_t)handle, (uint32_t)from, nbytes};
    return nbytes - ask_debugger(WRITE, arguments);
}

void machine_seek(int32_t handle, uint32_t offset)
{
    const uint32_t arguments[2] = {(uint32_t)handle, offset};
    ask_debugger(SEEK, arguments);
}

void *machine_storage(uint32_t nbytes)
{
    (void)nbytes;
    return (void *)STORAGE_ORIGIN;
}

uint32_t machine_ticks(void)
{
    if ((systick[0] & 1u) == 0u) {
        start_ticks();
    }
    return ticks();
}

uint32_t machine_stack_nbytes(void)
{
    const uint32_t *unused = bss_end;
    while (*unused == PAINT) {
        unused++;
    }
    return 4u * (uint32_t)(stack_top - unused);
}

static void start(void)
{
    const uint32_t *source = data_source;
    for (uint32_t *word = data_start; word < data_end; word++) {
        *word = *source++;
    }
    for (uint32_t *word = bss_start; word < bss_end; word++) {
        *word = 0u;
    }
    exit_with((uint32_t)main());
}

/* Without a stack frame, so that all of the stack can be painted. */
__attribute__((naked)) void reset(void)
{
    __asm__ volatile(
        "ldr r0, =0xE000ED88\n" /* the FPU, and MVE with it */
        "ldr r1, [r0]\n"
        "movs r2, #15\n"
        "lsls r2, r2, #20\n"
        "orrs r1, r2\n"
        "str r1, [r0]\n"
        "dsb\n isb\n"
        "ldr r0, =bss_end\n"
        "ldr r1, =stack_top\n"
        "ldr r2, =0x5AFEC0DE\n"
        "1: str r2, [r0]\n"
        "adds r0, #4\n"
        "cmp r0, r1\n"
        "bcc 1b\n"
        "bl %c0\n"
        ".ltorg\n"
        :
        : "i"(start));
}

static void fault(void)
{
    exit_with(99u);
}

/* Of exceptions 1 to 15: reset, and what is not meant to happen. The stack's address, before them, is in board.ld. */
__attribute__((section(".vectors"), used)) static void (*const vectors[15])(void) = {reset, fault, fault, fault, fault, fault};
