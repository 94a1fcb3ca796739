/* Updates by gradients that are there already, of all optimizers that keep something: one walk through gradient, weights and what
 * is kept of each. New values may take the memory of old ones. */
#include "columns.h"
#include "lanes.h"

/* Eight numbers, or what is left of `count`. */
static inline tfoa_f8 load(const float *from, int32_t count)
{
    return count >= TFOA_LANES ? tfoa_load8(from) : tfoa_load_some(from, count);
}

static inline void store(float *to, tfoa_f8 lanes, int32_t count)
{
    if (count >= TFOA_LANES) {
        tfoa_store8(to, lanes);
    } else {
        tfoa_store_some(to, lanes, count);
    }
}

/* The weights before; zero where only the change is asked for. */
static inline tfoa_f8 old(const float *w, int64_t i, int32_t count)
{
    return w != 0 ? load(w + i, count) : tfoa_splat(0.0f);
}

static inline tfoa_f8 root(tfoa_f8 x)
{
    for (int32_t lane = 0; lane < TFOA_LANES; lane++) {
        x[lane] = __builtin_sqrtf(x[lane]);
    }
    return x;
}

void tfoa_update_by_momentum(const tfoa_moments_update *update, int64_t first, int64_t end)
{
    const tfoa_f8 decay = tfoa_splat(0.9f), rate = tfoa_splat(update->rate), limit = tfoa_splat(update->limit);
    for (int64_t i = first; i < end; i += TFOA_LANES) {
        const int32_t count = end - i < TFOA_LANES ? (int32_t)(end - i) : TFOA_LANES;
        const tfoa_f8 velocity = load(update->mean + i, count) * decay + load(update->grad + i, count);
        const tfoa_f8 moved = old(update->w, i, count) - velocity * rate;
        store(update->mean_next + i, velocity, count);
        store(update->w_next + i, tfoa_clip(moved, limit), count);
    }
}

void tfoa_update_by_adam(const tfoa_moments_update *update, int64_t first, int64_t end)
{
    const tfoa_f8 decay_mean = tfoa_splat(0.9f), decay_variance = tfoa_splat(0.999f);
    const tfoa_f8 share_mean = tfoa_splat(1.0f - 0.9f), share_variance = tfoa_splat(1.0f - 0.999f);
    const tfoa_f8 bias_mean = tfoa_splat(update->bias_mean), bias_variance = tfoa_splat(update->bias_variance);
    const tfoa_f8 epsilon = tfoa_splat(1e-8f), rate = tfoa_splat(update->rate), limit = tfoa_splat(update->limit);
    for (int64_t i = first; i < end; i += TFOA_LANES) {
        const int32_t count = end - i < TFOA_LANES ? (int32_t)(end - i) : TFOA_LANES;
        const tfoa_f8 grad = load(update->grad + i, count);
        const tfoa_f8 mean = load(update->mean + i, count) * decay_mean + grad * share_mean;
        const tfoa_f8 variance = load(update->variance + i, count) * decay_variance + grad * grad * share_variance;
        const tfoa_f8 direction = mean / bias_mean / (root(variance / bias_variance) + epsilon);
        const tfoa_f8 moved = old(update->w, i, count) - direction * rate;
        store(update->mean_next + i, mean, count);
        store(update->variance_next + i, variance, count);
        store(update->w_next + i, tfoa_clip(moved, limit), count);
    }
}

float tfoa_update_by_length(const tfoa_length_update *update, int64_t first, int64_t end)
{
    const tfoa_f8 factor = tfoa_splat(update->factor), longest = tfoa_splat(update->longest), limit = tfoa_splat(update->limit);
    tfoa_f8 squares = tfoa_splat(0.0f);
    for (int64_t i = first; i < end; i += TFOA_LANES) {
        const int32_t count = end - i < TFOA_LANES ? (int32_t)(end - i) : TFOA_LANES;
        const tfoa_f8 grad = load(update->grad + i, count);
        const tfoa_f8 moved = old(update->w, i, count) - tfoa_clip(grad * factor, longest);
        squares += grad * grad;
        store(update->w_next + i, tfoa_clip(moved, limit), count);
    }
    return tfoa_add_lanes(squares);
}
