/* Channels of a tensor in ONNX's order of axes, and the run of them that a gradient is about. */
#ifndef TFOA_CHANNELS_H
#define TFOA_CHANNELS_H

#include <stdint.h>

/* samples x channels x positions. A dense layer's units are channels of one position; where positions were flattened into the
 * second axis, they still lie behind each other channel by channel. */
typedef struct {
    int32_t samples;
    int32_t channels;
    int32_t positions;
} tfoa_channels;

/* A gradient of `count` channels, from `first` on, of a value that has all of them. */
typedef struct {
    tfoa_channels all;
    int32_t first;
    int32_t count;
} tfoa_channel_part;

#endif
