/* Inputs, outputs and scratch of one run. */
#include "call.h"

#include <stdio.h>
#include <string.h>

#include "operators.h"

enum { WORTH_THREADS = 40000 /* operations: below, waking a thread takes longer */ };

void tfoa_fail(tfoa_call *call, const char *problem)
{
    if (call->status == NULL) {
        char message[256];
        snprintf(message, sizeof message, "tinyfoa:%s, %s; build the artifact again", call->node->definition->name, problem);
        call->status = call->node->api->CreateStatus(ORT_INVALID_ARGUMENT, message);
    }
}

void tfoa_expect(tfoa_call *call, const char *what, int64_t found, int64_t expected)
{
    if (call->status == NULL && found != expected) {
        char problem[160];
        snprintf(problem, sizeof problem, "%s is %lld, expected %lld", what, (long long)found, (long long)expected);
        tfoa_fail(call, problem);
    }
}

static void describe(tfoa_call *call, const OrtValue *value, tfoa_tensor *tensor)
{
    const OrtApi *api = call->node->api;
    OrtTensorTypeAndShapeInfo *info = NULL;
    int64_t dims[TFOA_MAX_DIMS];
    size_t rank = 0;
    call->status = api->GetTensorTypeAndShape(value, &info);
    if (call->status == NULL) {
        call->status = api->GetDimensionsCount(info, &rank);
    }
    if (call->status == NULL && rank > TFOA_MAX_DIMS) {
        tfoa_fail(call, "an input has too many axes");
    }
    if (call->status == NULL) {
        call->status = api->GetDimensions(info, dims, rank);
    }
    if (call->status == NULL) {
        call->status = api->GetTensorElementType(info, &tensor->type);
    }
    if (info != NULL) {
        api->ReleaseTensorTypeAndShapeInfo(info);
    }
    tensor->size = 1;
    for (size_t axis = 0; axis < rank && call->status == NULL; axis++) {
        if (dims[axis] < 0 || dims[axis] > INT32_MAX || (dims[axis] > 0 && tensor->size > INT32_MAX / dims[axis])) {
            tfoa_fail(call, "an input is too large");
            return;
        }
        tensor->dims[axis] = (int32_t)dims[axis];
        tensor->size *= dims[axis];
    }
    tensor->rank = (int32_t)rank;
}

tfoa_tensor tfoa_input(tfoa_call *call, size_t index)
{
    const OrtApi *api = call->node->api;
    tfoa_tensor tensor;
    const OrtValue *value = NULL;
    size_t count = 0;
    memset(&tensor, 0, sizeof tensor);
    if (call->status == NULL) {
        call->status = api->KernelContext_GetInputCount(call->context, &count);
    }
    if (call->status != NULL || index >= count) {
        return tensor;
    }
    call->status = api->KernelContext_GetInput(call->context, index, &value);
    if (call->status == NULL && value != NULL) {
        describe(call, value, &tensor);
        if (call->status == NULL) {
            call->status = api->GetTensorMutableData((OrtValue *)value, &tensor.data);
        }
    }
    return tensor;
}

tfoa_tensor tfoa_matrix_input(tfoa_call *call, size_t index)
{
    const tfoa_tensor tensor = tfoa_input(call, index);
    if (tensor.data == NULL) {
        tfoa_fail(call, "an input is missing");
    }
    tfoa_expect(call, "the number of axes of an input", tensor.rank, 2);
    return tensor;
}

const float *tfoa_floats_input(tfoa_call *call, size_t index, int64_t size)
{
    const tfoa_tensor tensor = tfoa_input(call, index);
    if (tensor.data == NULL) {
        tfoa_fail(call, "an input is missing");
    }
    tfoa_expect(call, "the size of an input", tensor.size, size);
    return (const float *)tensor.data;
}

float tfoa_number_input(tfoa_call *call, size_t index, float otherwise)
{
    const tfoa_tensor tensor = tfoa_input(call, index);
    if (tensor.data == NULL) {
        return otherwise;
    }
    tfoa_expect(call, "the size of a number", tensor.size, 1);
    return call->status == NULL ? *(const float *)tensor.data : otherwise;
}

void *tfoa_output(tfoa_call *call, size_t index, const int32_t *dims, int32_t rank)
{
    const OrtApi *api = call->node->api;
    int64_t sizes[TFOA_MAX_DIMS] = {0};
    size_t count = 0;
    OrtValue *value = NULL;
    void *data = NULL;
    if (call->status == NULL) {
        call->status = api->KernelContext_GetOutputCount(call->context, &count);
    }
    if (call->status != NULL || index >= count) {
        return NULL;
    }
    for (int32_t axis = 0; axis < rank; axis++) {
        sizes[axis] = dims[axis];
    }
    call->status = api->KernelContext_GetOutput(call->context, index, sizes, (size_t)rank, &value);
    if (call->status == NULL && value != NULL) {
        call->status = api->GetTensorMutableData(value, &data);
    }
    return data;
}

void *tfoa_scratch(tfoa_call *call, size_t nbytes)
{
    const OrtApi *api = call->node->api;
    void *memory = NULL;
    if (call->status == NULL && call->num_scratch == TFOA_MAX_SCRATCH) {
        tfoa_fail(call, "too much scratch");
    }
    if (call->status == NULL && call->allocator == NULL) {
        call->status = api->KernelContext_GetAllocator(call->context, call->node->memory, &call->allocator);
    }
    if (call->status == NULL) {
        call->status = api->AllocatorAlloc(call->allocator, nbytes > 0 ? nbytes : 1, &memory);
    }
    if (call->status == NULL) {
        call->scratch[call->num_scratch++] = memory;
    }
    return memory;
}

void tfoa_each(tfoa_call *call, int32_t count, double work, void (*task)(void *data, size_t i), void *data)
{
    if (count > 1 && work > WORTH_THREADS) {
        call->status = call->node->api->KernelContext_ParallelFor(call->context, task, (size_t)count, 0, data);
        return;
    }
    for (int32_t i = 0; i < count; i++) {
        task(data, (size_t)i);
    }
}

/* [first, first + length) cut to [0, size). */
static void cut(int32_t *first, int32_t *length, int32_t size)
{
    *first = *first < 0 ? 0 : (*first > size ? size : *first);
    *length = *length < 0 ? 0 : (*length > size - *first ? size - *first : *length);
}

tfoa_origin tfoa_origin_input(tfoa_call *call, size_t index, int32_t num_ins, int32_t num_outs)
{
    tfoa_origin origin = {0, 0, num_ins, num_outs};
    const tfoa_tensor tensor = tfoa_input(call, index);
    if (call->status == NULL && tensor.data != NULL) {
        tfoa_expect(call, "the size of origin", tensor.size, 4);
    }
    if (call->status == NULL && tensor.data != NULL) {
        memcpy(&origin, tensor.data, sizeof origin);
        cut(&origin.first_in, &origin.ins, num_ins);
        cut(&origin.first_out, &origin.outs, num_outs);
    }
    return origin;
}
