/* Counts instructions of the kernels of packed bits on an emulated Cortex-M, where SysTick is driven by the number of
 * instructions (QEMU's -icount). Prints lines "name outputs inputs ticks"; the first says how many ticks a loop of
 * known length takes. */
#include <stddef.h>

#include "../../targets/c99/kernels/packed.h"
#include "../../tests/c99/cortex_m/ticks.h"
#include "../../tests/c99/write_line.h"

enum { MAX_OUTPUTS = 256, MAX_INPUTS = 784, LOOP_PASSES = 100000 };

float y[MAX_OUTPUTS]; /* not static: who does not see that nobody reads it cannot leave out what writes it */
static float x[MAX_INPUTS], w[MAX_OUTPUTS * MAX_INPUTS];
static uint32_t x_bits[TFOA_WORDS(MAX_INPUTS)], w_bits[MAX_OUTPUTS * TFOA_WORDS(MAX_INPUTS)];
static int16_t q[MAX_INPUTS];
static int32_t sums[MAX_OUTPUTS];

static char *append_number(char *end, uint32_t value)
{
    char digits[10];
    int count = 0;
    do {
        digits[count++] = (char)('0' + value % 10u);
        value /= 10u;
    } while (value);
    *end++ = ' ';
    while (count > 0) {
        *end++ = digits[--count];
    }
    return end;
}

static void report(const char *name, int32_t outputs, int32_t inputs, uint32_t ticks)
{
    char line[80];
    char *end = line;
    while (*name) {
        *end++ = *name++;
    }
    end = append_number(append_number(append_number(end, (uint32_t)outputs), (uint32_t)inputs), ticks);
    *end++ = '\n';
    *end = '\0';
    write_line(line);
}

/* y = x w^T, as one writes it down. */
__attribute__((noinline)) static void naive_product(int32_t outputs, int32_t inputs)
{
    for (int32_t output = 0; output < outputs; output++) {
        const float *row = w + (size_t)output * (size_t)inputs;
        float total = 0.0f;
        for (int32_t i = 0; i < inputs; i++) {
            total += x[i] * row[i];
        }
        y[output] = total;
    }
}

__attribute__((noinline)) static void loop_of_two_instructions(void)
{
    uint32_t passes = LOOP_PASSES;
    __asm__ volatile("1: subs %0, #1\n bne 1b" : "+r"(passes) : : "cc");
}

static void count_all(int32_t outputs, int32_t inputs)
{
    const tfoa_packed_shape packed = {1, outputs, TFOA_WORDS(inputs), TFOA_WORDS(inputs), TFOA_WORDS(inputs)};
    const tfoa_signed_shape numbers = {1, outputs, inputs, inputs, TFOA_WORDS(inputs)};
    uint32_t start = ticks();
    naive_product(outputs, inputs);
    report("naive_float", outputs, inputs, ticks_since(start));
    start = ticks();
    tfoa_packed_matmul(&packed, x_bits, w_bits, sums);
    report("packed_matmul", outputs, inputs, ticks_since(start));
    start = ticks();
    tfoa_signed_matmul(&numbers, q, w_bits, sums);
    report("signed_matmul", outputs, inputs, ticks_since(start));
}

int main(void)
{
    uint32_t state = 2463534242u; /* xorshift (Marsaglia, 2003) */
    for (size_t i = 0; i < sizeof w_bits / sizeof w_bits[0]; i++) {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        w_bits[i] = state;
    }
    start_ticks();
    const uint32_t start = ticks();
    loop_of_two_instructions();
    report("calibration", 1, 2 * LOOP_PASSES, ticks_since(start));
    count_all(256, 784);
    count_all(256, 256);
    count_all(10, 256);
    return 0;
}
