// SPDX-License-Identifier: Apache-2.0
// What enters the block in training, computed once, since the blocks before it no longer change. Binary values take a bit each.
#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "tinyfoa_ort/forward.hpp"

namespace tinyfoa {

class ActivationCache {
public:
    // Keeps up to `limit_nbytes`.
    ActivationCache(std::size_t num_rows, std::size_t limit_nbytes) : num_rows_(num_rows), limit_nbytes_(limit_nbytes) {}

    // Store `count` samples from `start` on, of one row each or of several; uint8 values are binary, 0 and 1. False where they
    // do not fit.
    bool put(std::size_t start, std::size_t count, const Activations& values) {
        for (const auto& [name, value] : values) {
            Rows* rows = find_or_make(name, value.tensor, count);
            if (rows == nullptr) {
                return false;
            }
            const auto* from = static_cast<const unsigned char*>(value.tensor.read);
            for (std::size_t i = 0; i < count; ++i) {
                pack(*rows, from + i * rows->nbytes, rows->packed.data() + (start + i) * rows->packed_nbytes);
            }
        }
        return true;
    }

    // Copy a value of the samples `rows` into a tensor.
    void gather(const std::vector<std::size_t>& rows, const std::string& name, Tensor& to) const {
        const auto found = values_.find(name);
        if (found == values_.end() || found->second.dtype != to.dtype() || found->second.nbytes * rows.size() != to.nbytes()) {
            throw input_error("artifact", "the forward pass does not compute '" + name + "' as the step reads it",
                              detail::build_again);
        }
        for (std::size_t i = 0; i < rows.size(); ++i) {
            unpack(found->second, rows[i], to.data() + i * found->second.nbytes);
        }
    }

    // All values of some samples.
    Activations gather(const std::vector<std::size_t>& rows) const {
        Activations found;
        for (const auto& [name, value] : values_) {
            Shape shape = value.shape;
            shape[0] *= static_cast<std::int64_t>(rows.size());
            auto tensor = std::make_shared<Tensor>(value.dtype, shape);
            gather(rows, name, *tensor);
            found[name] = {{value.dtype, shape, tensor->data(), nullptr}, tensor};
        }
        return found;
    }

private:
    struct Rows {
        Dtype dtype = Dtype::float32;
        Shape shape;             // of a sample
        std::size_t nbytes = 0;  // of a sample as it is computed
        std::size_t packed_nbytes = 0;
        std::vector<unsigned char> packed;
    };

    Rows* find_or_make(const std::string& name, const TensorRef& tensor, std::size_t count) {
        const auto found = values_.find(name);
        if (found != values_.end()) {
            return &found->second;
        }
        if (tensor.shape.empty() || tensor.shape[0] % static_cast<std::int64_t>(count) != 0) {
            return nullptr;
        }
        Rows rows;
        rows.dtype = tensor.dtype;
        rows.shape = tensor.shape;
        rows.shape[0] /= static_cast<std::int64_t>(count);
        rows.nbytes = count_elements(tensor.shape).value_or(0) * size_of(tensor.dtype) / count;
        rows.packed_nbytes = rows.dtype == Dtype::uint8 ? (rows.nbytes + 7) / 8 : rows.nbytes;
        if (rows.packed_nbytes > 0 && num_rows_ > (limit_nbytes_ - taken_nbytes_) / rows.packed_nbytes) {
            return nullptr;
        }
        taken_nbytes_ += num_rows_ * rows.packed_nbytes;
        rows.packed.resize(num_rows_ * rows.packed_nbytes);
        return &values_.emplace(name, std::move(rows)).first->second;
    }

    static void pack(const Rows& rows, const unsigned char* from, unsigned char* to) {
        if (rows.dtype != Dtype::uint8) {
            std::memcpy(to, from, rows.nbytes);
            return;
        }
        std::memset(to, 0, rows.packed_nbytes);
        for (std::size_t i = 0; i < rows.nbytes; ++i) {
            to[i / 8] = static_cast<unsigned char>(to[i / 8] | (from[i] & 1) << (i % 8));
        }
    }

    static void unpack(const Rows& rows, std::size_t row, unsigned char* to) {
        const unsigned char* from = rows.packed.data() + row * rows.packed_nbytes;
        if (rows.dtype != Dtype::uint8) {
            std::memcpy(to, from, rows.nbytes);
            return;
        }
        for (std::size_t i = 0; i < rows.nbytes; ++i) {
            to[i] = from[i / 8] >> (i % 8) & 1;
        }
    }

    std::size_t num_rows_, limit_nbytes_;
    std::size_t taken_nbytes_ = 0;
    std::map<std::string, Rows> values_;
};

}  // namespace tinyfoa
