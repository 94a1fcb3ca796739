/* The least time of a step on latent weights of each format, of the same layer and samples, taking turns: prints a line for each.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels.h"

enum { INS = 784, OUTS = 256, FORMATS = 4, OPTIMIZERS = 3 };

static float latent[INS * OUTS], velocity[INS * OUTS], x[INS], errors[OUTS];
static uint32_t words[INS * OUTS / 2];
static const tfoa_operand operand = {NULL, x, INS, 1.0f, 0.0f, NULL, NULL};

/* Milliseconds of this process alone. */
static double clock_ms(void)
{
    return 1e3 * (double)clock() / CLOCKS_PER_SEC;
}

static float drawn(void)
{
    return (float)rand() / (float)RAND_MAX - 0.5f;
}

static void take_step(int optimizer, const tfoa_slice *slice)
{
    static float power = 0.01f;
    static int32_t count = 5;
    const int is_whole = slice->integers != NULL;
    if (optimizer == 0) {
        (is_whole ? tfoa_weight_sgd_step_on_integers : tfoa_weight_sgd_step)(slice, errors, &operand, 1, 0.05f);
    } else if (optimizer == 1) {
        (is_whole ? tfoa_weight_normalized_step_on_integers : tfoa_weight_normalized_step)(slice, errors, &operand, 1, 0.005f,
                                                                                           &power, &count);
    } else {
        (is_whole ? tfoa_weight_momentum_step_on_integers : tfoa_weight_momentum_step)(slice, errors, &operand, 1, 0.05f,
                                                                                       velocity);
    }
}

int main(int argc, char **argv)
{
    static const uint32_t bits[FORMATS] = {0, 16, 12, 8}; /* 0: float32 */
    static const char *const optimizers[OPTIMIZERS] = {"sgd", "normalized", "momentum"};
    const int runs = argc > 1 ? atoi(argv[1]) : 1, steps = 10;
    for (int32_t i = 0; i < INS * OUTS; i++) {
        latent[i] = 0.2f * drawn();
    }
    for (int32_t i = 0; i < INS; i++) {
        x[i] = drawn();
    }
    for (int32_t i = 0; i < OUTS; i++) {
        errors[i] = 0.01f * drawn();
    }
    for (int optimizer = 0; optimizer < OPTIMIZERS; optimizer++) {
        double least[FORMATS] = {1e9, 1e9, 1e9, 1e9};
        for (int run = 0; run < runs; run++) {
            for (int format = 0; format < FORMATS; format++) {
                const tfoa_integers integers = {bits[format], 0.01f, 7u, tfoa_read_weights, tfoa_move_weights, NULL};
                tfoa_slice slice;
                memset(&slice, 0, sizeof slice);
                slice.latent = bits[format] != 0 ? (float *)(void *)words : latent;
                slice.integers = bits[format] != 0 ? &integers : NULL;
                slice.ins = INS;
                slice.outs = slice.grad_columns = OUTS;
                slice.limit = 1e30f;
                slice.positions = 1;
                slice.step = (uint32_t)run;
                const double begin = clock_ms();
                for (int step = 0; step < steps; step++) {
                    take_step(optimizer, &slice);
                }
                const double taken = (clock_ms() - begin) / steps;
                least[format] = taken < least[format] ? taken : least[format];
            }
        }
        printf("%s %.4f %.4f %.4f %.4f\n", optimizers[optimizer], least[0], least[1], least[2], least[3]);
    }
    return 0;
}
