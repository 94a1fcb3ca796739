// SPDX-License-Identifier: Apache-2.0
// Tensors on their way into onnxruntime and out of it.
#pragma once

#include <algorithm>
#include <iterator>
#include <map>
#include <string>

#include "tinyfoa_ort/runtime.hpp"
#include "tinyfoa_ort/tensor.hpp"

namespace tinyfoa {

// Memory of the caller that a run reads or writes; where it does both, `write` is where the new values go.
struct TensorRef {
    Dtype dtype = Dtype::float32;
    Shape shape;
    const void* read = nullptr;
    void* write = nullptr;

    static TensorRef of(Tensor& tensor) { return {tensor.dtype(), tensor.shape(), tensor.data(), tensor.data()}; }
};

// By the names of inputs; the next value of a tensor is written where that one says.
using TensorRefs = std::map<std::string, TensorRef>;

// What a model says of an input or output; -1 where a size is left open.
struct TensorType {
    Dtype dtype = Dtype::float32;
    Shape shape;

    bool accepts(Dtype found, const Shape& size) const {
        bool fits = found == dtype && size.size() == shape.size();
        for (std::size_t i = 0; fits && i < size.size(); ++i) {
            fits = shape[i] < 0 || shape[i] == size[i];
        }
        return fits;
    }
};

namespace detail {

// In the order of Dtype.
inline constexpr ONNXTensorElementDataType element_types[] = {
    ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL,    ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8,  ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8,
    ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16,   ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64,
    ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE,
    ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32,
};

inline TensorType type_of(const OrtTensorTypeAndShapeInfo* info, const std::string& place) {
    ONNXTensorElementDataType code = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
    check(ort().GetTensorElementType(info, &code));
    std::size_t rank = 0;
    check(ort().GetDimensionsCount(info, &rank));
    TensorType type;
    type.shape.resize(rank);
    check(ort().GetDimensions(info, type.shape.data(), rank));
    const auto* known = std::find(std::begin(element_types), std::end(element_types), code);
    if (known == std::end(element_types)) {
        throw input_error(place, "has an element type that is not known here", "build the artifact again");
    }
    type.dtype = static_cast<Dtype>(known - std::begin(element_types));
    return type;
}

}  // namespace detail

// A tensor of onnxruntime.
class Value {
public:
    explicit Value(OrtValue* value) : value_(value, ort().ReleaseValue) {}

    // Memory of the caller as a tensor.
    Value(const OrtMemoryInfo* memory, Dtype dtype, const Shape& shape, void* data) : Value(nullptr) {
        const ONNXTensorElementDataType type = detail::element_types[static_cast<int>(dtype)];
        const std::size_t nbytes = count_elements(shape).value_or(0) * size_of(dtype);
        OrtValue* value = nullptr;
        check(ort().CreateTensorWithDataAsOrtValue(memory, data, nbytes, shape.data(), shape.size(), type, &value));
        value_.reset(value);
    }

    const OrtValue* get() const { return value_.get(); }

    TensorType type() const {
        OrtTensorTypeAndShapeInfo* info = nullptr;
        check(ort().GetTensorTypeAndShape(value_.get(), &info));
        const Owned<OrtTensorTypeAndShapeInfo> owned(info, ort().ReleaseTensorTypeAndShapeInfo);
        return detail::type_of(info, "a computed tensor");
    }

    const void* data() const {
        void* data = nullptr;
        check(ort().GetTensorMutableData(value_.get(), &data));
        return data;
    }

private:
    Owned<OrtValue> value_;
};

}  // namespace tinyfoa
