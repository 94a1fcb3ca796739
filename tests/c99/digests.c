/* Prints a digest of what each kernel computes from fixed random inputs, for machines that cannot be called from Python:
 * the same lines must come out everywhere. Links with one variant of each kernel, and with write_line.c or
 * cortex_m/startup.c. */
#include <stddef.h>
#include <stdint.h>

#include "../../targets/c99/kernels/backward.h"
#include "../../targets/c99/kernels/conv_products.h"
#include "../../targets/c99/kernels/forward.h"
#include "../../targets/c99/kernels/packed.h"
#include "../../targets/c99/kernels/plain/expf.h"
#include "../../targets/c99/kernels/plain/logf.h"
#include "write_line.h"

enum {
    MAX_BATCH = 3,
    MAX_OUTPUTS = 9,
    MAX_INPUTS = 9000, /* more than a byte counts in 256-bit vectors, so that all loops of all variants are entered */
    MAX_STRIDE = (MAX_INPUTS + 31) / 32 + 1,
    FLOAT_STEP = 4099 /* prime: all low bits of a float occur */
};

static uint32_t state = 2463534242u;

/* xorshift (Marsaglia, 2003). */
static uint32_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

/* FNV-1a over 32-bit numbers, whose order of bytes cannot matter. */
static uint32_t digest_of(uint32_t digest, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        digest = (digest ^ ((value >> (8 * i)) & 255u)) * 16777619u;
    }
    return digest;
}

static uint32_t bits_of(float value)
{
    union {
        float value;
        uint32_t bits;
    } number = {value};
    return number.bits;
}

static char *append(char *end, const char *text)
{
    while (*text) {
        *end++ = *text++;
    }
    return end;
}

static char *append_number(char *end, uint32_t value, uint32_t base)
{
    char digits[10];
    int count = 0;
    do {
        digits[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    while (count > 0) {
        *end++ = digits[--count];
    }
    return end;
}

/* For example "packed_matmul 3x9x2000 1f2e3d4c". */
static void report(const char *kernel, const int32_t shape[3], uint32_t digest)
{
    char line[80];
    char *end = append(line, kernel);
    for (int i = 0; i < 3; i++) {
        end = append(end, i == 0 ? " " : "x");
        end = append_number(end, (uint32_t)shape[i], 10u);
    }
    end = append(end, " ");
    end = append_number(end, digest, 16u);
    *append(end, "\n") = '\0';
    write_line(line);
}

static uint32_t x[MAX_BATCH * MAX_STRIDE];
static uint32_t w[MAX_OUTPUTS * MAX_STRIDE];
static int16_t q[MAX_BATCH * (MAX_INPUTS + 1)];
static int32_t sums[MAX_BATCH * MAX_OUTPUTS];

static uint32_t digest_of_sums(int32_t count)
{
    uint32_t digest = 2166136261u;
    for (int32_t i = 0; i < count; i++) {
        digest = digest_of(digest, (uint32_t)sums[i]);
    }
    return digest;
}

/* Random bits in every word, those between and behind the rows too; the padding of x alone is zero, as the layout has it. */
static void fill(const int32_t shape[3], uint32_t *first_x, int32_t stride)
{
    for (size_t i = 0; i < sizeof x / sizeof x[0]; i++) {
        x[i] = next_random();
    }
    for (size_t i = 0; i < sizeof w / sizeof w[0]; i++) {
        w[i] = next_random();
    }
    for (size_t i = 0; i < sizeof q / sizeof q[0]; i++) {
        q[i] = (int16_t)((int32_t)(next_random() & 0xFFFFu) - 32768);
    }
    for (int32_t row = 0; row < shape[0] && shape[2] % 32 > 0; row++) {
        first_x[row * stride + shape[2] / 32] &= (1u << (shape[2] % 32)) - 1u;
    }
}

/* Matrices end where their arrays do, so that a sanitizer sees any read beyond them. */
static void report_products(const int32_t shape[3])
{
    const int32_t words = TFOA_WORDS(shape[2]);
    const tfoa_packed_shape packed = {shape[0], shape[1], words, words + 1, words};
    const tfoa_signed_shape numbers = {shape[0], shape[1], shape[2], shape[2] + 1, words};
    uint32_t *x_rows = x + sizeof x / sizeof x[0] - (size_t)(shape[0] * (words + 1) - 1);
    const uint32_t *w_rows = w + sizeof w / sizeof w[0] - (size_t)(shape[1] * words);
    const int16_t *q_rows = q + sizeof q / sizeof q[0] - (size_t)(shape[0] * (shape[2] + 1) - 1);
    fill(shape, x_rows, words + 1);
    tfoa_packed_matmul(&packed, x_rows, w_rows, sums);
    report("packed_matmul", shape, digest_of_sums(shape[0] * shape[1]));
    sums[0] = tfoa_packed_dot(x_rows, w_rows, words);
    sums[1] = tfoa_packed_count(w_rows, words);
    report("packed_dot", shape, digest_of_sums(2));
    tfoa_signed_matmul(&numbers, q_rows, w_rows, sums);
    report("signed_matmul", shape, digest_of_sums(shape[0] * shape[1]));
    sums[0] = tfoa_signed_sum(q_rows, w_rows, shape[2]);
    report("signed_sum", shape, digest_of_sums(1));
}

/* Over all exponents, both signs, subnormal numbers and infinities; how a NaN is coded is left to the machine. */
static void report_function(const char *name, float (*function)(float))
{
    const int32_t shape[3] = {1, 1, FLOAT_STEP};
    uint32_t digest = 2166136261u;
    for (uint32_t bits = 0; bits < 0xFFFFFFFFu - FLOAT_STEP; bits += FLOAT_STEP) {
        union {
            uint32_t bits;
            float value;
        } number = {bits};
        const float y = function(number.value);
        digest = digest_of(digest, y == y ? bits_of(y) : 0u);
    }
    report(name, shape, digest);
}

static uint32_t digest_of_floats(const float *numbers, int32_t count)
{
    uint32_t digest = 2166136261u;
    for (int32_t i = 0; i < count; i++) {
        digest = digest_of(digest, bits_of(numbers[i]));
    }
    return digest;
}

static float image[2 * 3 * 9 * 9], values[2 * 3 * 9 * 9], gradient[2 * 3 * 9 * 9], kernels[4 * 3 * 3 * 3], output[2 * 4 * 9 * 9];

static float next_float(void)
{
    return (float)((int32_t)(next_random() & 0xFFFFu) - 32768) / 8192.0f;
}

static void report_forward(void)
{
    const int32_t count = (int32_t)(sizeof output / sizeof output[0]);
    const int32_t shape[3] = {2, 4, 81};
    const tfoa_conv_shape conv = {{{9, 9}, {9, 9}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}}, 2, 1, 3, 4};
    for (size_t i = 0; i < sizeof image / sizeof image[0]; i++) {
        image[i] = next_float();
    }
    for (size_t i = 0; i < sizeof kernels / sizeof kernels[0]; i++) {
        kernels[i] = next_float();
    }
    tfoa_conv(&conv, image, kernels, NULL, output);
    tfoa_softmax(8, 81, 1, output, output);
    report("conv_softmax", shape, digest_of_floats(output, count));
    tfoa_conv_transpose(&conv, output, kernels, NULL, gradient);
    for (int32_t channel = 0; channel < conv.out_channels; channel++) {
        const tfoa_row_part part = {channel, 0, 0, 27};
        tfoa_add_signed_conv_input_grad(&conv, &part, w + channel, 0.3f, output, gradient);
    }
    report("conv_input_grad", shape, digest_of_floats(gradient, 2 * 3 * 81));
}

/* Two samples of three channels: windows, statistics, exponentials, logarithms and roots, one after the other, and a slice of
 * two. */
static void report_block(void)
{
    const tfoa_window window = {{9, 9}, {5, 4}, {2, 3}, {2, 2}, {1, 1}, {1, 0}, {0, 0}};
    const tfoa_channels all = {2, 3, 81};
    const tfoa_channel_part part = {{2, 3, 81}, 1, 2};
    const tfoa_lrn_shape lrn = {{2, 3, 81}, 3, 0.5f, 0.75f, 1.0f};
    const int32_t size = 2 * 3 * 81, shape[3] = {2, 3, 81};
    float mean[3] = {0.5f, 0.0f, -0.5f}, variance[3] = {1.0f, 2.0f, 0.5f};
    const float gain[3] = {0.5f, 1.5f, -1.0f}, shift[3] = {0.25f, 0.0f, 1.0f};
    const tfoa_normalization by = {gain, shift, mean, variance, 1e-3f};
    const tfoa_head head = {NULL, 7u, 4, 3, 0.5f, NULL};
    tfoa_follow_statistics(&all, 0.75f, image, mean, variance);
    tfoa_batch_normalization(&all, &by, image, output);
    tfoa_tanh(size, output, output);
    tfoa_lrn(&lrn, output, values);
    tfoa_sigmoid(size, values, values);
    tfoa_pooled_head_logits(&head, &all, values, kernels);
    tfoa_pooled_head_grad(&head, &part, kernels, gradient);
    tfoa_sigmoid_grad(&part, values, gradient);
    tfoa_batch_normalization_grad(&part, 1e-3f, gain, variance, gradient);
    report("block", shape, digest_of_floats(gradient, 2 * 2 * 81));
    tfoa_max_pool_grad(&part, &window, gradient, values, image);
    tfoa_average_pool_grad(&window, 4, 0, image, gradient);
    report("pools", shape, digest_of_floats(gradient, 2 * 2 * 81));
    tfoa_lrn_grad(&lrn, values, output, values, image);
    report("lrn_grad", shape, digest_of_floats(image, size));
}

/* A step on weights that are whole numbers, their signs, and what they stand for. */
static void report_integers(uint32_t num_bits)
{
    enum { INS = 37, OUTS = 9 };
    static uint32_t q[(OUTS * INS + 1) / 2], bits[OUTS * 2];
    static float sums[OUTS], reals[OUTS * INS], errors[2 * OUTS], x[2 * INS];
    const int32_t shape[3] = {OUTS, INS, (int32_t)num_bits};
    const tfoa_integers integers = {num_bits, 0.0125f, 0x89ABCDEFu, tfoa_read_weights, tfoa_move_weights, tfoa_pack_weights};
    const tfoa_operand operand = {NULL, x, INS, 1.0f, 0.0f, NULL, NULL};
    const tfoa_slice slice = {(float *)(void *)q, NULL, bits, sums, INS, OUTS, 0, 0, 0, OUTS, 1.0f, 1, &integers, 12345u};
    for (size_t i = 0; i < sizeof q / sizeof q[0]; i++) {
        q[i] = next_random();
    }
    for (int32_t i = 0; i < 2 * OUTS; i++) {
        errors[i] = next_float();
    }
    for (int32_t i = 0; i < 2 * INS; i++) {
        x[i] = next_float();
    }
    tfoa_weight_sgd_step_on_integers(&slice, errors, &operand, 2, 0.01f);
    integers.read(&integers, q, 0u, OUTS * INS, reals);
    uint32_t digest = digest_of_floats(reals, OUTS * INS) ^ digest_of_floats(sums, OUTS);
    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++) {
        digest = digest_of(digest, bits[i]);
    }
    for (int32_t i = 0; i < OUTS * INS * (int32_t)num_bits / 32; i++) {
        digest = digest_of(digest, q[i]);
    }
    report("integers", shape, digest);
}

int main(void)
{
    static const int32_t shapes[][3] = {{1, 1, 1},    {1, 3, 31},   {2, 4, 32},   {3, 5, 33},   {2, 9, 64},        {1, 4, 100},
                                        {2, 5, 127},  {3, 8, 128},  {1, 9, 255},  {2, 4, 256},  {3, 9, 257},       {2, 7, 511},
                                        {1, 5, 512},  {2, 6, 784},  {3, 4, 1000}, {1, 8, 1025}, {2, 9, 2000},      {1, 4, 3968},
                                        {1, 5, 3969}, {1, 4, 7936}, {1, 9, 7937}, {1, 5, 7968}, {3, 9, MAX_INPUTS}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        report_products(shapes[i]);
    }
    report_function("expf", tfoa_expf);
    report_function("logf", tfoa_logf);
    report_forward();
    report_block();
    report_integers(8u);
    report_integers(12u);
    report_integers(16u);
    return 0;
}
