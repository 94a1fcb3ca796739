/* The gradients of a convolution by errors at few places: each weight meets what it has read there, or takes the error back. */
#include "../pooled_conv.h"

#include <string.h>

#include "taps.h"
#include "weight_steps.h"

/* Where a tap reads: the element of the input at row 0 and column 0 of the output, and how far on those of the next row are. */
typedef struct tap_reach {
    int32_t origin;
    int32_t row_step;
    int32_t column_step;
    int32_t width; /* of the output */
    tfoa_tap tap;
    int is_whole; /* whether the tap lies inside the image at all positions of the output */
} tap_reach;

static tap_reach reach_of(const tfoa_window *window, const tfoa_tap *tap)
{
    const int is_whole = tap->rows.first == 0 && tap->rows.end == window->out_size[0] && tap->columns.first == 0 &&
                         tap->columns.end == window->out_size[1];
    const tap_reach of = {tap->top * window->in_size[1] + tap->left,
                          window->stride[0] * window->in_size[1],
                          window->stride[1],
                          window->out_size[1],
                          *tap,
                          is_whole};
    return of;
}

/* The element that is read at a place of the output, which is in row `row` or some below it; -1 where that is padding. */
static inline int32_t element_at(const tap_reach *of, int32_t row, int32_t place)
{
    int32_t column = place - row * of->width;
    for (; column >= of->width; row++) {
        column -= of->width;
    }
    const int is_inside = of->is_whole || (row >= of->tap.rows.first && row < of->tap.rows.end &&
                                           column >= of->tap.columns.first && column < of->tap.columns.end);
    return is_inside ? of->origin + row * of->row_step + column * of->column_step : -1;
}

static int32_t first_row(const tfoa_window *pool, int32_t position_row)
{
    const int32_t row = tfoa_window_origin(pool, 0, position_row);
    return row > 0 ? row : 0;
}

/* The sum of errors times what the tap reads at their places; each row of the pool has a sum of its own. */
static float grad_at_places(const tfoa_window *pool, const tap_reach *of, const float *errors, const uint16_t *places,
                            const float *x)
{
    float total = 0.0f;
    for (int32_t i = 0; i < pool->out_size[0]; i++) {
        const int32_t row = first_row(pool, i);
        float sum = 0.0f;
        for (int32_t j = 0; j < pool->out_size[1]; j++, errors++, places++) {
            const int32_t from = element_at(of, row, *places);
            sum += from < 0 ? 0.0f : *errors * x[from];
        }
        total += sum;
    }
    return total;
}

float tfoa_pooled_conv_weight_gradient(const tfoa_slice *slice, const float *grad_z, const tfoa_operand *x, int32_t rows,
                                       int32_t out, int32_t in)
{
    const tfoa_pooled_conv *shape = (const tfoa_pooled_conv *)x->conv;
    const tfoa_window *window = &shape->conv.window;
    const int32_t taps = (int32_t)tfoa_area(window->kernel);
    const tfoa_tap tap = tfoa_tap_of(window, in % taps);
    const tap_reach of = reach_of(window, &tap);
    const size_t channel = tfoa_input_channel(&shape->conv, slice->first_out + out, slice->first_in + in / taps);
    const float *image = x->real + channel * tfoa_area(window->in_size);
    const float *errors = tfoa_errors_of(slice, grad_z, out);
    float total = 0.0f;
    for (int32_t row = 0; row < rows; row++) {
        total += grad_at_places(&shape->pool, &of, errors, shape->places + (errors - grad_z), image);
        errors += slice->grad_columns * slice->positions;
        image += x->units;
    }
    return total;
}

static void add_errors_at_places(const tfoa_window *pool, const tap_reach *of, float weight, const float *errors,
                                 const uint16_t *places, float *grad_x)
{
    for (int32_t i = 0; i < pool->out_size[0]; i++) {
        const int32_t row = first_row(pool, i);
        for (int32_t j = 0; j < pool->out_size[1]; j++, errors++, places++) {
            const int32_t to = element_at(of, row, *places);
            if (to >= 0) {
                grad_x[to] += *errors * weight;
            }
        }
    }
}

void tfoa_add_pooled_conv_input_grad(const tfoa_pooled_conv *shape, const tfoa_row_part *part, const void *weights,
                                     const float *grad_y, float *grad_x)
{
    const tfoa_window *window = &shape->conv.window;
    const int32_t taps = (int32_t)tfoa_area(window->kernel);
    const size_t positions = tfoa_area(shape->pool.out_size);
    for (int32_t i = 0; i < part->count; i++) {
        float weight;
        memcpy(&weight, (const uint8_t *)weights + 4 * (size_t)i, 4); /* the storage holds words */
        const int32_t place = part->first + i;
        const tfoa_tap tap = tfoa_tap_of(window, place % taps);
        const tap_reach of = reach_of(window, &tap);
        const size_t channel = tfoa_input_channel(&shape->conv, part->output, part->channel + place / taps);
        for (size_t sample = 0; sample < (size_t)shape->conv.batch; sample++) {
            const size_t plane = (sample * (size_t)shape->conv.out_channels + (size_t)part->output) * positions;
            const size_t image = (sample * (size_t)shape->conv.in_channels + channel) * tfoa_area(window->in_size);
            add_errors_at_places(&shape->pool, &of, weight, grad_y + plane, shape->places + plane, grad_x + image);
        }
    }
}
