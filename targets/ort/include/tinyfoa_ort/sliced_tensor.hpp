// SPDX-License-Identifier: Apache-2.0
// A tensor that is kept slice after slice, so that a step reads a slice where it lies.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "tinyfoa_ort/manifest.hpp"
#include "tinyfoa_ort/safetensors.hpp"
#include "tinyfoa_ort/storage.hpp"

namespace tinyfoa {

// A slice: band of inputs, its first input and output, and how many there are.
struct Part {
    std::size_t band, first_in, first_out, num_ins, num_outs;
};

// How a layer is cut; slices are counted along the inputs first.
class Grid {
public:
    explicit Grid(const LayerRecord& layer)
        : ins_(layer.ins.begin(), layer.ins.end()), outs_(layer.outs.begin(), layer.outs.end()),
          turns_(static_cast<std::size_t>(layer.turns)) {}

    std::size_t num_bands() const { return ins_.size() - 1; }
    std::size_t count() const { return num_bands() * (outs_.size() - 1); }
    std::size_t turns() const { return turns_; }  // slices that are trained, from the first on
    std::size_t num_ins() const { return ins_.back(); }
    std::size_t num_outs() const { return outs_.back(); }
    std::size_t first_in(std::size_t band) const { return ins_[band]; }

    Part part(std::size_t index) const {
        const std::size_t i = index % num_bands(), j = index / num_bands();
        return {i, ins_[i], outs_[j], ins_[i + 1] - ins_[i], outs_[j + 1] - outs_[j]};
    }

private:
    std::vector<std::size_t> ins_, outs_;
    std::size_t turns_;
};

// Real or whole numbers (rows, inputs, outputs); `rows` are the positions and taps of a locally connected layer, 1 for a dense
// one.
class SlicedTensor {
public:
    SlicedTensor(std::size_t rows, const Grid& grid, const std::string& folder, Dtype dtype = Dtype::float32)
        : rows_(rows), grid_(grid), dtype_(dtype), numbers_(rows * grid.num_ins() * grid.num_outs() * size_of(dtype), folder) {
        std::size_t start = 0;
        for (std::size_t index = 0; index < grid_.count(); ++index) {
            starts_.push_back(start);
            start += size_of_part(index);
        }
    }

    std::size_t size_of_part(std::size_t index) const {
        const Part part = grid_.part(index);
        return rows_ * part.num_ins * part.num_outs;
    }

    Dtype dtype() const { return dtype_; }
    std::size_t nbytes_of_part(std::size_t index) const { return size_of_part(index) * size_of(dtype_); }
    unsigned char* part(std::size_t index) { return numbers_.data() + starts_[index] * size_of(dtype_); }
    const unsigned char* part(std::size_t index) const { return numbers_.data() + starts_[index] * size_of(dtype_); }

    void fill_with_zeros() { std::memset(numbers_.data(), 0, rows_ * grid_.num_ins() * grid_.num_outs() * size_of(dtype_)); }

    // Call `visit(bytes, count, index of the first number in the whole)` for pieces in the order of the whole tensor.
    template <typename Visit>
    void visit_in_order(const Visit& visit) {
        const std::size_t num_bands = grid_.num_bands(), num_columns = grid_.count() / num_bands;
        std::size_t at = 0;
        for (std::size_t row = 0; row < rows_; ++row) {
            for (std::size_t band = 0; band < num_bands; ++band) {
                for (std::size_t in = 0; in < grid_.part(band).num_ins; ++in) {
                    for (std::size_t column = 0; column < num_columns; ++column) {
                        const std::size_t index = column * num_bands + band;
                        const Part part = grid_.part(index);
                        const std::size_t first = (row * part.num_ins + in) * part.num_outs;
                        visit(this->part(index) + first * size_of(dtype_), part.num_outs, at);
                        at += part.num_outs;
                    }
                }
            }
        }
    }

    // As one whole tensor of a file.
    StoredTensor stored(const std::string& name, const Shape& shape) {
        const auto store = [this](const StoredTensor::Append& append) {
            visit_in_order(
                [&](const void* numbers, std::size_t count, std::size_t) { append(numbers, count * size_of(dtype_)); });
        };
        const auto load = [this](const StoredTensor::Take& take) {
            visit_in_order([&](void* numbers, std::size_t count, std::size_t) { take(numbers, count * size_of(dtype_)); });
        };
        return {name, dtype_, shape, store, load};
    }

private:
    std::size_t rows_;
    Grid grid_;
    Dtype dtype_;
    Storage numbers_;
    std::vector<std::size_t> starts_;
};

}  // namespace tinyfoa
