/* The callbacks of OrtCustomOp, over the table's letters. */
#include "custom_op.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static const tfoa_operator *definition_of(const OrtCustomOp *op)
{
    return ((const tfoa_custom_op *)(const void *)op)->definition;
}

static ONNXTensorElementDataType type_of(char letter)
{
    switch (letter | 0x20) { /* lower case */
    case 'f':
        return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
    case 'u':
        return ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32;
    case 'i':
        return ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32;
    case 'l':
        return ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64;
    case 'b':
        return ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8;
    case 'h':
        return ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16;
    default:
        return ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
    }
}

static OrtCustomOpInputOutputCharacteristic characteristic_of(char letter)
{
    const int is_optional = letter >= 'A' && letter <= 'Z';
    return is_optional ? INPUT_OUTPUT_OPTIONAL : INPUT_OUTPUT_REQUIRED;
}

static const char *ORT_API_CALL get_name(const OrtCustomOp *op)
{
    return definition_of(op)->name;
}

static const char *ORT_API_CALL get_provider(const OrtCustomOp *op)
{
    (void)op;
    return NULL; /* the CPU's */
}

static ONNXTensorElementDataType ORT_API_CALL get_input_type(const OrtCustomOp *op, size_t index)
{
    return type_of(definition_of(op)->inputs[index]);
}

static size_t ORT_API_CALL get_input_count(const OrtCustomOp *op)
{
    return strlen(definition_of(op)->inputs);
}

static ONNXTensorElementDataType ORT_API_CALL get_output_type(const OrtCustomOp *op, size_t index)
{
    return type_of(definition_of(op)->outputs[index]);
}

static size_t ORT_API_CALL get_output_count(const OrtCustomOp *op)
{
    return strlen(definition_of(op)->outputs);
}

static OrtCustomOpInputOutputCharacteristic ORT_API_CALL get_input_characteristic(const OrtCustomOp *op, size_t index)
{
    return characteristic_of(definition_of(op)->inputs[index]);
}

static OrtCustomOpInputOutputCharacteristic ORT_API_CALL get_output_characteristic(const OrtCustomOp *op, size_t index)
{
    return characteristic_of(definition_of(op)->outputs[index]);
}

static OrtMemType ORT_API_CALL get_memory_type(const OrtCustomOp *op, size_t index)
{
    (void)op;
    (void)index;
    return OrtMemTypeDefault;
}

static int ORT_API_CALL first_version(const OrtCustomOp *op)
{
    (void)op;
    return 1;
}

static int ORT_API_CALL last_version(const OrtCustomOp *op)
{
    (void)op;
    return 1;
}

static void read_int(const OrtApi *api, const OrtKernelInfo *info, const char *name, int64_t *value)
{
    OrtStatus *status = api->KernelInfoGetAttribute_int64(info, name, value);
    if (status != NULL) { /* the node does not have it */
        api->ReleaseStatus(status);
    }
}

static void read_float(const OrtApi *api, const OrtKernelInfo *info, const char *name, float *value)
{
    OrtStatus *status = api->KernelInfoGetAttribute_float(info, name, value);
    if (status != NULL) {
        api->ReleaseStatus(status);
    }
}

/* What a node does not say is what its function body says. */
static void read_attributes(const OrtApi *api, const OrtKernelInfo *info, tfoa_attributes *attributes)
{
    char alpha[16] = "row";
    size_t size = sizeof alpha;
    attributes->gain = attributes->limit = attributes->length = 1.0f;
    attributes->momentum = 0.99f;
    attributes->channel_units = 1;
    attributes->most = 127;
    read_int(api, info, "units", &attributes->units);
    read_int(api, info, "has_all_rows", &attributes->has_all_rows);
    read_int(api, info, "bias_size", &attributes->bias_size);
    read_int(api, info, "num_classes", &attributes->num_classes);
    read_int(api, info, "channel_units", &attributes->channel_units);
    read_int(api, info, "pools", &attributes->pools);
    read_int(api, info, "key", &attributes->key);
    read_int(api, info, "most", &attributes->most);
    read_float(api, info, "gain", &attributes->gain);
    read_float(api, info, "momentum", &attributes->momentum);
    read_float(api, info, "window_floor", &attributes->window_floor);
    read_float(api, info, "input_center", &attributes->input_center);
    read_float(api, info, "limit", &attributes->limit);
    read_float(api, info, "length", &attributes->length);
    OrtStatus *status = api->KernelInfoGetAttribute_string(info, "alpha", alpha, &size);
    if (status != NULL) {
        api->ReleaseStatus(status);
    }
    attributes->is_tensor_alpha = strcmp(alpha, "tensor") == 0;
}

static OrtStatusPtr ORT_API_CALL create(const OrtCustomOp *op, const OrtApi *api, const OrtKernelInfo *info, void **kernel)
{
    tfoa_node *node = (tfoa_node *)calloc(1, sizeof *node);
    if (node == NULL) {
        return api->CreateStatus(ORT_FAIL, "tinyfoa: no memory for a node; use a smaller model");
    }
    node->api = api;
    node->definition = definition_of(op);
    read_attributes(api, info, &node->attributes);
    OrtStatus *status = api->CreateCpuMemoryInfo(OrtDeviceAllocator, OrtMemTypeDefault, &node->memory);
    if (status != NULL) {
        free(node);
        return status;
    }
    *kernel = node;
    return NULL;
}

static void ORT_API_CALL destroy(void *kernel)
{
    tfoa_node *node = (tfoa_node *)kernel;
    node->api->ReleaseMemoryInfo(node->memory);
    free(node);
}

static OrtStatusPtr ORT_API_CALL compute(void *kernel, OrtKernelContext *context)
{
    const tfoa_node *node = (const tfoa_node *)kernel;
    tfoa_call call;
    memset(&call, 0, sizeof call);
    call.node = node;
    call.context = context;
    node->definition->compute(&call);
    while (call.num_scratch > 0) {
        OrtStatus *status = node->api->AllocatorFree(call.allocator, call.scratch[--call.num_scratch]);
        if (status != NULL) {
            node->api->ReleaseStatus(status);
        }
    }
    if (call.allocator != NULL) {
        node->api->ReleaseAllocator(call.allocator);
    }
    return call.status;
}

/* The first output has the shape of the first input: where one takes the other's memory, onnxruntime must know that it fits. */
static OrtStatusPtr ORT_API_CALL infer_as_first(const OrtCustomOp *op, OrtShapeInferContext *context)
{
    const OrtApi *api = ((const tfoa_custom_op *)(const void *)op)->api;
    OrtTensorTypeAndShapeInfo *info = NULL;
    OrtStatus *status = api->ShapeInferContext_GetInputTypeShape(context, 0, &info);
    return status != NULL ? status : api->ShapeInferContext_SetOutputTypeShape(context, 0, info);
}

static size_t ORT_API_CALL first_over_first(int **inputs, int **outputs)
{
    *inputs = (int *)calloc(1, sizeof **inputs);
    *outputs = (int *)calloc(1, sizeof **outputs);
    return *inputs != NULL && *outputs != NULL ? 1 : 0;
}

static void ORT_API_CALL release(int *inputs, int *outputs)
{
    free(inputs);
    free(outputs);
}

void tfoa_make_custom_op(const OrtApi *api, const tfoa_operator *definition, tfoa_custom_op *op)
{
    memset(op, 0, sizeof *op);
    op->api = api;
    op->definition = definition;
    op->base.version = TFOA_API_VERSION;
    op->base.GetName = get_name;
    op->base.GetExecutionProviderType = get_provider;
    op->base.GetInputType = get_input_type;
    op->base.GetInputTypeCount = get_input_count;
    op->base.GetOutputType = get_output_type;
    op->base.GetOutputTypeCount = get_output_count;
    op->base.GetInputCharacteristic = get_input_characteristic;
    op->base.GetOutputCharacteristic = get_output_characteristic;
    op->base.GetInputMemoryType = get_memory_type;
    op->base.CreateKernelV2 = create;
    op->base.KernelComputeV2 = compute;
    op->base.KernelDestroy = destroy;
    op->base.GetStartVersion = first_version;
    op->base.GetEndVersion = last_version;
    if (definition->is_in_place) {
        op->base.InferOutputShapeFn = infer_as_first;
        op->base.GetMayInplace = first_over_first;
        op->base.ReleaseMayInplace = release;
    }
}
