/* Updates of the optimizers that keep something, of real weights and of whole numbers. */
#include <float.h>
#include <string.h>

#include "integers.h"
#include "length.h"

enum {
    PIECE = 16384, /* weights that a thread takes at a time */
    RUN = 1024     /* whole numbers whose changes are at hand together */
};

typedef struct pieces {
    tfoa_moments_update update;
    tfoa_integer_weights integers;
    int64_t size;
    void (*kernel)(const tfoa_moments_update *update, int64_t first, int64_t end);
} pieces;

/* The same update from weight `first` on, which leaves the changes. */
static tfoa_moments_update changes_from(const tfoa_moments_update *update, int64_t first, float *changes)
{
    tfoa_moments_update part = *update;
    part.w = NULL;
    part.w_next = changes;
    part.grad += first;
    part.mean += first;
    part.mean_next += first;
    if (part.variance != NULL) {
        part.variance += first;
        part.variance_next += first;
    }
    return part;
}

static void piece_task(void *data, size_t i)
{
    const pieces *all = (const pieces *)data;
    const int64_t first = (int64_t)i * PIECE, end = first + PIECE < all->size ? first + PIECE : all->size;
    if (all->integers.columns.q == NULL) {
        all->kernel(&all->update, first, end);
        return;
    }
    for (int64_t at = first; at < end; at += RUN) {
        float changes[RUN];
        const int32_t count = end - at < RUN ? (int32_t)(end - at) : RUN;
        const tfoa_moments_update part = changes_from(&all->update, at, changes);
        all->kernel(&part, 0, count);
        tfoa_kernels->move_columns(&all->integers.columns, at, count, changes);
    }
}

/* w, grad, rate and what follows them is like w; so are the outputs. Of whole numbers input `quantum` is the quantum. */
static pieces read_update(tfoa_call *call, const tfoa_tensor *w, size_t quantum)
{
    pieces all;
    memset(&all, 0, sizeof all);
    all.size = w->size;
    all.integers = tfoa_integers_input(call, w, quantum);
    all.update.w = (const float *)w->data;
    all.update.grad = tfoa_floats_input(call, 1, w->size);
    all.update.rate = tfoa_rate_for(&all.integers, tfoa_number_input(call, 2, 0.0f));
    all.update.mean = tfoa_floats_input(call, 3, w->size);
    all.update.limit = all.integers.columns.q != NULL ? FLT_MAX : call->node->attributes.limit;
    all.integers.columns.q_next = tfoa_output(call, 0, w->dims, w->rank);
    all.update.w_next = (float *)all.integers.columns.q_next;
    all.update.mean_next = (float *)tfoa_output(call, 1, w->dims, w->rank);
    return all;
}

static void walk(tfoa_call *call, pieces *all, int32_t operations)
{
    if (call->status == NULL) {
        tfoa_each(call, (int32_t)((all->size + PIECE - 1) / PIECE), (double)all->size * operations, piece_task, all);
    }
}

/* w, grad, rate, velocity, and of whole numbers quantum and step */
void tfoa_momentum_update(tfoa_call *call)
{
    const tfoa_tensor w = tfoa_input(call, 0);
    pieces all = read_update(call, &w, 4);
    all.kernel = tfoa_kernels->update_by_momentum;
    walk(call, &all, 4);
}

/* 1 - decay^count; in double, so that the one rounding to float is the last. */
static float bias_of(float decay, int32_t count)
{
    double power = 1.0, square = (double)decay;
    for (uint32_t left = (uint32_t)count; left > 0u; left >>= 1) {
        power *= (left & 1u) != 0u ? square : 1.0;
        square *= square;
    }
    return 1.0f - (float)power;
}

/* w, grad, rate, mean, variance, step_count, and of whole numbers quantum and step */
void tfoa_adam_update(tfoa_call *call)
{
    const tfoa_tensor w = tfoa_input(call, 0), given = tfoa_input(call, 5);
    pieces all = read_update(call, &w, 6);
    all.update.variance = tfoa_floats_input(call, 4, w.size);
    all.update.variance_next = (float *)tfoa_output(call, 2, w.dims, w.rank);
    int32_t *count = (int32_t *)tfoa_output(call, 3, NULL, 0);
    tfoa_expect(call, "the size of step_count", given.data != NULL ? given.size : 0, 1);
    if (call->status != NULL || count == NULL) {
        return;
    }
    const int32_t before = *(const int32_t *)given.data;
    *count = before < INT32_MAX ? before + 1 : before;
    all.update.bias_mean = bias_of(0.9f, *count);
    all.update.bias_variance = bias_of(0.999f, *count);
    all.kernel = tfoa_kernels->update_by_adam;
    walk(call, &all, 12);
}

typedef struct squared_pieces {
    tfoa_length_update update;
    tfoa_integer_weights integers;
    int64_t size;
    float *sums; /* of the squares of a piece's gradients */
} squared_pieces;

static void length_task(void *data, size_t i)
{
    const squared_pieces *all = (const squared_pieces *)data;
    const int64_t first = (int64_t)i * PIECE, end = first + PIECE < all->size ? first + PIECE : all->size;
    if (all->integers.columns.q == NULL) {
        all->sums[i] = tfoa_kernels->update_by_length(&all->update, first, end);
        return;
    }
    all->sums[i] = 0.0f;
    for (int64_t at = first; at < end; at += RUN) {
        float changes[RUN];
        const int32_t count = end - at < RUN ? (int32_t)(end - at) : RUN;
        tfoa_length_update part = all->update;
        part.w = NULL;
        part.w_next = changes;
        part.grad += at;
        all->sums[i] += tfoa_kernels->update_by_length(&part, 0, count);
        tfoa_kernels->move_columns(&all->integers.columns, at, count, changes);
    }
}

tfoa_length tfoa_read_length(tfoa_call *call, size_t place, float rate)
{
    const tfoa_tensor given = tfoa_input(call, place + 1);
    const float own = rate * call->node->attributes.length;
    tfoa_length length = {0.0f, 10.0f * (own < 0.0f ? -own : own), tfoa_number_input(call, place, 0.0f), NULL, NULL};
    length.power_next = (float *)tfoa_output(call, 1, NULL, 0);
    length.count = (int32_t *)tfoa_output(call, 2, NULL, 0);
    tfoa_expect(call, "the size of step_count", given.data != NULL ? given.size : 0, 1);
    if (call->status != NULL || length.power_next == NULL || length.count == NULL) {
        tfoa_fail(call, "power or step_count is absent");
        return length;
    }
    const int32_t before = *(const int32_t *)given.data;
    *length.count = before < INT32_MAX ? before + 1 : before;
    length.factor = length.power == 0.0f ? 0.0f : own / (__builtin_sqrtf(length.power) + 1e-12f);
    return length;
}

void tfoa_follow_power(const tfoa_length *length, const float *sums, int32_t num_sums, double size)
{
    const float share = 1.0f / (float)*length->count, least = 0.00390625f;
    double sum = 0.0;
    for (int32_t i = 0; i < num_sums; i++) {
        sum += (double)sums[i];
    }
    *length->power_next = length->power + ((float)(sum / size) - length->power) * (share > least ? share : least);
}

/* w, grad, rate, power, step_count, and of whole numbers quantum and step */
void tfoa_normalized_update(tfoa_call *call)
{
    const tfoa_tensor w = tfoa_input(call, 0);
    const int32_t num_pieces = (int32_t)((w.size + PIECE - 1) / PIECE);
    squared_pieces all;
    memset(&all, 0, sizeof all);
    all.integers = tfoa_integers_input(call, &w, 5);
    all.size = w.size;
    all.update.w = (const float *)w.data;
    all.update.grad = tfoa_floats_input(call, 1, w.size);
    all.integers.columns.q_next = tfoa_output(call, 0, w.dims, w.rank);
    all.update.w_next = (float *)all.integers.columns.q_next;
    const tfoa_length length = tfoa_read_length(call, 3, tfoa_rate_for(&all.integers, tfoa_number_input(call, 2, 0.0f)));
    all.sums = (float *)tfoa_scratch(call, sizeof *all.sums * (size_t)num_pieces);
    if (call->status != NULL) {
        return;
    }
    all.update.factor = length.factor;
    all.update.longest = length.longest;
    all.update.limit = all.integers.columns.q != NULL ? FLT_MAX : call->node->attributes.limit;
    tfoa_each(call, num_pieces, (double)w.size * 5, length_task, &all);
    tfoa_follow_power(&length, all.sums, num_pieces, (double)w.size);
}
