/* One run of an operator: its inputs, outputs, attributes and scratch, over onnxruntime's C API.
 *
 * Errors stick: after the first one every function does nothing, so an operator asks for all it needs, then returns if
 * call->status is set, and only then computes. Sizes are checked here and in the operators: a model is not trusted. */
#ifndef TFOA_CALL_H
#define TFOA_CALL_H

#include <onnxruntime_c_api.h>

enum { TFOA_MAX_SCRATCH = 4, TFOA_MAX_DIMS = 4 };

/* What nodes may be told; those that a node does not have are as in tfoa_read_attributes. */
typedef struct tfoa_attributes {
    int64_t units, has_all_rows, bias_size, num_classes, channel_units, pools, key, most;
    float gain, momentum, window_floor, input_center, limit, length;
    int is_tensor_alpha;
} tfoa_attributes;

typedef struct tfoa_operator tfoa_operator;

/* What onnxruntime keeps for a node. */
typedef struct tfoa_node {
    const OrtApi *api;
    const tfoa_operator *definition;
    OrtMemoryInfo *memory;
    tfoa_attributes attributes;
} tfoa_node;

typedef struct tfoa_call {
    const tfoa_node *node;
    OrtKernelContext *context;
    OrtStatus *status;
    OrtAllocator *allocator;
    void *scratch[TFOA_MAX_SCRATCH];
    int num_scratch;
} tfoa_call;

/* A dense tensor; data is NULL where an optional input is absent. */
typedef struct tfoa_tensor {
    void *data;
    int32_t dims[TFOA_MAX_DIMS];
    int32_t rank;
    int64_t size;
    ONNXTensorElementDataType type;
} tfoa_tensor;

tfoa_tensor tfoa_input(tfoa_call *call, size_t index);

/* A matrix that must be there, and float32 numbers of which there must be so many. */
tfoa_tensor tfoa_matrix_input(tfoa_call *call, size_t index);
const float *tfoa_floats_input(tfoa_call *call, size_t index, int64_t size);

/* A number, or `otherwise` where the input is absent. */
float tfoa_number_input(tfoa_call *call, size_t index, float otherwise);

void *tfoa_output(tfoa_call *call, size_t index, const int32_t *dims, int32_t rank);

/* Working memory of this call, from the allocator of the session. */
void *tfoa_scratch(tfoa_call *call, size_t nbytes);

/* Fail unless two sizes are equal; the message says what has which. */
void tfoa_expect(tfoa_call *call, const char *what, int64_t found, int64_t expected);
void tfoa_fail(tfoa_call *call, const char *problem);

/* Call task(data, i) for i < count, on the session's threads where `work` (operations in all) is worth it. */
void tfoa_each(tfoa_call *call, int32_t count, double work, void (*task)(void *data, size_t i), void *data);

/* The part of a layer that a node is about: the active slice, or all of it. */
typedef struct tfoa_origin {
    int32_t first_in, first_out, ins, outs;
} tfoa_origin;

/* Input `index`, cut to a layer of these sizes as Slice cuts. */
tfoa_origin tfoa_origin_input(tfoa_call *call, size_t index, int32_t num_ins, int32_t num_outs);

#endif
