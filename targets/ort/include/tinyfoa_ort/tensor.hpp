// SPDX-License-Identifier: Apache-2.0
// Element types, shapes, and memory for elements.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include "tinyfoa_ort/error.hpp"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "tinyfoa_ort reads and writes little-endian files as they lie in memory"
#endif

namespace tinyfoa {

// uint32 are words of bits, which are in no file.
enum class Dtype { boolean, int8, uint8, int16, int32, int64, float16, float32, float64, uint32 };

inline std::size_t size_of(Dtype dtype) {
    switch (dtype) {
        case Dtype::float64:
        case Dtype::int64: return 8;
        case Dtype::float32:
        case Dtype::uint32:
        case Dtype::int32: return 4;
        case Dtype::int16:
        case Dtype::float16: return 2;
        default: return 1;
    }
}

inline const char* name_of(Dtype dtype) {
    static constexpr const char* names[] = {"bool",  "int8",    "uint8",   "int16",   "int32",
                                            "int64", "float16", "float32", "float64", "uint32"};
    return names[static_cast<int>(dtype)];
}

using Shape = std::vector<std::int64_t>;

inline std::int64_t as_size(std::size_t size) { return static_cast<std::int64_t>(size); }

// Call `visit` with elements of a type that weights can have, as what they are.
template <typename Visit>
void visit_weights(Dtype dtype, const void* data, const Visit& visit) {
    switch (dtype) {
        case Dtype::int8: visit(static_cast<const std::int8_t*>(data)); break;
        case Dtype::int16: visit(static_cast<const std::int16_t*>(data)); break;
        default: visit(static_cast<const float*>(data));
    }
}

inline std::string to_text(const Shape& shape) {
    std::string text;
    for (const std::int64_t size : shape) {
        text += (text.empty() ? "" : ", ") + std::to_string(size);
    }
    return "[" + text + "]";
}

// Elements of a shape, or nothing where a size is below 0 or the bytes are beyond the address space.
inline std::optional<std::size_t> count_elements(const Shape& shape, Dtype dtype = Dtype::uint8) {
    constexpr auto largest = static_cast<std::uint64_t>(std::numeric_limits<std::ptrdiff_t>::max());
    std::uint64_t nonzero = size_of(dtype);
    bool is_empty = false;
    for (const std::int64_t size : shape) {
        if (size < 0) {
            return std::nullopt;
        }
        is_empty = is_empty || size == 0;
        const auto factor = static_cast<std::uint64_t>(size == 0 ? 1 : size);
        if (nonzero > largest / factor) {
            return std::nullopt;
        }
        nonzero *= factor;
    }
    return is_empty ? 0 : static_cast<std::size_t>(nonzero / size_of(dtype));
}

// Bytes at a multiple of 64, zero at first.
class Buffer {
public:
    Buffer() = default;

    explicit Buffer(std::size_t nbytes) : nbytes_(nbytes) {
        if (nbytes > 0) {
            bytes_.reset(static_cast<unsigned char*>(::operator new(nbytes, alignment)));
            std::memset(bytes_.get(), 0, nbytes);
        }
    }

    template <typename T = unsigned char>
    T* data() {
        return reinterpret_cast<T*>(bytes_.get());
    }

    template <typename T = unsigned char>
    const T* data() const {
        return reinterpret_cast<const T*>(bytes_.get());
    }

    std::size_t nbytes() const { return nbytes_; }

private:
    static constexpr std::align_val_t alignment{64};

    struct Free {
        void operator()(unsigned char* bytes) const { ::operator delete(bytes, alignment); }
    };

    std::unique_ptr<unsigned char[], Free> bytes_;
    std::size_t nbytes_ = 0;
};

// A tensor that owns its elements.
class Tensor {
public:
    Tensor() = default;

    Tensor(Dtype dtype, Shape shape) : dtype_(dtype), shape_(std::move(shape)) {
        const std::optional<std::size_t> count = count_elements(shape_, dtype_);
        if (!count) {
            throw input_error("a tensor of shape " + to_text(shape_), "is beyond the address space", "build the artifact again");
        }
        size_ = *count;
        elements_ = Buffer(size_ * size_of(dtype_));
    }

    Dtype dtype() const { return dtype_; }
    const Shape& shape() const { return shape_; }
    std::size_t size() const { return size_; }
    std::size_t nbytes() const { return elements_.nbytes(); }

    template <typename T = unsigned char>
    T* data() {
        return elements_.data<T>();
    }

    template <typename T = unsigned char>
    const T* data() const {
        return elements_.data<T>();
    }

private:
    Dtype dtype_ = Dtype::float32;
    Shape shape_;
    std::size_t size_ = 0;
    Buffer elements_;
};

}  // namespace tinyfoa
