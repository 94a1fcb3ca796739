// SPDX-License-Identifier: Apache-2.0
// What products read of a layer as a whole: signs of its latent weights, int8, or the weights themselves where it is not binary.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tinyfoa_ort/layer_memory.hpp"

namespace tinyfoa {

class WholeWeights {
public:
    explicit WholeWeights(const LayerMemory& memory) {
        const Grid& grid = memory.grid;
        const std::size_t num_weights = memory.positions * memory.taps * grid.num_ins() * grid.num_outs();
        if (memory.is_binary) {
            numbers_ = Buffer(num_weights);
        } else if (grid.count() > 1) {
            numbers_ = Buffer(num_weights * sizeof(float));
        }
    }

    static std::int8_t sign(float number) { return number >= 0 ? 1 : -1; }

    // Signs are written too, by the step of a layer that is trained as a whole.
    void* signs() { return numbers_.data(); }

    const void* data(const LayerMemory& memory) const {
        return numbers_.nbytes() > 0 ? numbers_.data<void>() : static_cast<const void*>(memory.latent.part(0));
    }

    // Put a slice in its place, derived from its latent weights.
    void derive(const LayerMemory& memory, std::size_t index) {
        const float* numbers = memory.latent.part(index);
        if (memory.is_binary) {
            visit_rows(memory, index, [&](std::size_t at, std::size_t from, std::size_t count) {
                std::transform(numbers + from, numbers + from + count, numbers_.data<std::int8_t>() + at, sign);
            });
        } else if (numbers_.nbytes() > 0) {
            visit_rows(memory, index, [&](std::size_t at, std::size_t from, std::size_t count) {
                std::copy_n(numbers + from, count, numbers_.data<float>() + at);
            });
        }
    }

    // Take the signs of a slice out, and leave zeros.
    void take(const LayerMemory& memory, std::size_t index, std::int8_t* signs) {
        visit_rows(memory, index, [&](std::size_t at, std::size_t to, std::size_t count) {
            if (memory.is_binary) {
                std::copy_n(numbers_.data<std::int8_t>() + at, count, signs + to);
                std::fill_n(numbers_.data<std::int8_t>() + at, count, std::int8_t{0});
            } else {
                std::fill_n(numbers_.data<float>() + at, count, 0.0f);
            }
        });
    }

    // Put the signs of a slice back; where the layer is not binary, its latent weights.
    void put(const LayerMemory& memory, std::size_t index, const std::int8_t* signs) {
        if (!memory.is_binary) {
            derive(memory, index);
            return;
        }
        visit_rows(memory, index, [&](std::size_t at, std::size_t from, std::size_t count) {
            std::copy_n(signs + from, count, numbers_.data<std::int8_t>() + at);
        });
    }

private:
    // Call `visit(place in the whole layer, place in the slice, count)` for each row of a slice.
    template <typename Visit>
    static void visit_rows(const LayerMemory& memory, std::size_t index, const Visit& visit) {
        const Grid& grid = memory.grid;
        const Part part = grid.part(index);
        std::size_t in_slice = 0;
        for (std::size_t row = 0; row < memory.positions * memory.taps; ++row) {
            for (std::size_t in = 0; in < part.num_ins; ++in) {
                const std::size_t start = (row * grid.num_ins() + part.first_in + in) * grid.num_outs() + part.first_out;
                visit(start, in_slice, part.num_outs);
                in_slice += part.num_outs;
            }
        }
    }

    Buffer numbers_;
};

}  // namespace tinyfoa
