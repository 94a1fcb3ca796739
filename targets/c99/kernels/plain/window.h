/* Which elements of a sliding window lie inside the image. */
#ifndef TFOA_KERNELS_WINDOW_H
#define TFOA_KERNELS_WINDOW_H

#include <stddef.h>
#include <stdint.h>

#include "../forward.h"

/* Elements first <= k < end of a window along one axis. */
typedef struct {
    int32_t first;
    int32_t end;
} tfoa_taps;

/* Those k in [0, kernel) for which 0 <= origin + k * dilation < size. */
static inline tfoa_taps tfoa_taps_inside(int32_t origin, int32_t dilation, int32_t kernel, int32_t size)
{
    tfoa_taps taps;
    taps.end = size > origin ? (size - origin + dilation - 1) / dilation : 0;
    if (taps.end > kernel) {
        taps.end = kernel;
    }
    taps.first = origin < 0 ? (dilation - 1 - origin) / dilation : 0;
    if (taps.first > taps.end) {
        taps.first = taps.end;
    }
    return taps;
}

/* Input position of element 0 of the window at output position out, along an axis (0 or 1). Negative in the padding. */
static inline int32_t tfoa_window_origin(const tfoa_window *window, int axis, int32_t out)
{
    return out * window->stride[axis] - window->pad_begin[axis];
}

static inline tfoa_taps tfoa_image_taps(const tfoa_window *window, int axis, int32_t out)
{
    return tfoa_taps_inside(tfoa_window_origin(window, axis, out), window->dilation[axis], window->kernel[axis],
                            window->in_size[axis]);
}

/* How many elements of a window count along one axis. With ceil_mode the last window may reach beyond the padding at the end,
 * and what lies there never counts. */
static inline int32_t tfoa_counted_taps(const tfoa_window *window, int axis, int32_t out, int32_t count_include_pad)
{
    int32_t origin = tfoa_window_origin(window, axis, out);
    int32_t size = window->in_size[axis];
    if (count_include_pad) {
        origin += window->pad_begin[axis];
        size += window->pad_begin[axis] + window->pad_end[axis];
    }
    const tfoa_taps taps = tfoa_taps_inside(origin, window->dilation[axis], window->kernel[axis], size);
    return taps.end - taps.first;
}

static inline size_t tfoa_area(const int32_t size[2])
{
    return (size_t)size[0] * (size_t)size[1];
}

#endif
