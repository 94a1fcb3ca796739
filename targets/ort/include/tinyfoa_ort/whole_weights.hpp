// SPDX-License-Identifier: Apache-2.0
// What products read of a layer as a whole: signs of its latent weights, int8, or the weights themselves where it is not binary.
#pragma once

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

    // Put a slice in its place.
    void put(const LayerMemory& memory, std::size_t index) {
        if (memory.is_binary) {
            visit(memory, index, [to = numbers_.data<std::int8_t>()](std::size_t at, float number) { to[at] = sign(number); });
        } else if (numbers_.nbytes() > 0) {
            visit(memory, index, [to = numbers_.data<float>()](std::size_t at, float number) { to[at] = number; });
        }
    }

    // Put zeros in place of a slice; there is more than one.
    void clear(const LayerMemory& memory, std::size_t index) {
        if (memory.is_binary) {
            visit(memory, index, [to = numbers_.data<std::int8_t>()](std::size_t at, float) { to[at] = 0; });
        } else {
            visit(memory, index, [to = numbers_.data<float>()](std::size_t at, float) { to[at] = 0; });
        }
    }

private:
    // Call `set(index in the whole layer, number of the slice)` for each weight of a slice.
    template <typename Set>
    static void visit(const LayerMemory& memory, std::size_t index, const Set& set) {
        const Grid& grid = memory.grid;
        const Part part = grid.part(index);
        const float* numbers = memory.latent.part(index);
        for (std::size_t row = 0; row < memory.positions * memory.taps; ++row) {
            for (std::size_t in = 0; in < part.num_ins; ++in) {
                const std::size_t start = (row * grid.num_ins() + part.first_in + in) * grid.num_outs() + part.first_out;
                for (std::size_t out = 0; out < part.num_outs; ++out) {
                    set(start + out, *numbers++);
                }
            }
        }
    }

    Buffer numbers_;
};

}  // namespace tinyfoa
