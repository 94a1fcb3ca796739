// SPDX-License-Identifier: Apache-2.0
// What products read of a layer as a whole: signs of its latent weights, or the weights themselves where it is not binary. In the
// place of the active slice it holds zeros.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <vector>

#include "tinyfoa_ort/layer_memory.hpp"
#include "tinyfoa_ort/value.hpp"

namespace tinyfoa {

class WholeWeights {
public:
    using Append = StoredTensor::Append;

    explicit WholeWeights(const LayerMemory& memory) : memory_(memory) {}
    virtual ~WholeWeights() = default;
    WholeWeights(const WholeWeights&) = delete;
    WholeWeights& operator=(const WholeWeights&) = delete;

    virtual Dtype dtype() const = 0;
    // Of the whole layer or a part of it, as a step takes them.
    virtual Shape shape(std::size_t num_ins, std::size_t num_outs) const { return step_shape(num_ins, num_outs); }

    virtual const void* data() const = 0;
    // Signs are written too, by the step of a layer that is trained as a whole.
    virtual void* signs() = 0;

    // Bytes of the signs of a slice; none where the layer is not binary.
    virtual std::size_t slice_nbytes(std::size_t index) const = 0;
    // Derive the signs of a slice from its latent weights.
    virtual void derive(std::size_t index, void* signs) const = 0;
    // Take the signs of a slice out, and leave zeros.
    virtual void take(std::size_t index, void* signs) = 0;
    // Put the signs of a slice back; where the layer is not binary, its latent weights.
    virtual void put(std::size_t index, const void* signs) = 0;
    // All of it in the order of the inference model, (..., inputs, outputs): int8 signs, or the weights.
    virtual void store(const Append& append) const = 0;

    // As the function bodies have weights: taps and inputs are one axis (tinyfoa_rt/operators/products.py).
    Shape step_shape(std::size_t num_ins, std::size_t num_outs) const {
        const Shape matrix = {as_size(memory_.taps * num_ins), as_size(num_outs)};
        return memory_.is_local ? Shape{as_size(memory_.positions), matrix[0], matrix[1]} : matrix;
    }

protected:
    std::size_t num_weights() const {
        return memory_.positions * memory_.taps * memory_.grid.num_ins() * memory_.grid.num_outs();
    }

    // Call `visit(place in the whole layer, place in the slice, count)` for each row of a slice.
    template <typename Visit>
    void visit_rows(std::size_t index, const Visit& visit) const {
        const Grid& grid = memory_.grid;
        const Part part = grid.part(index);
        std::size_t in_slice = 0;
        for (std::size_t row = 0; row < memory_.positions * memory_.taps; ++row) {
            for (std::size_t in = 0; in < part.num_ins; ++in) {
                const std::size_t start = (row * grid.num_ins() + part.first_in + in) * grid.num_outs() + part.first_out;
                visit(start, in_slice, part.num_outs);
                in_slice += part.num_outs;
            }
        }
    }

    const LayerMemory& memory_;
};

// The latent weights, real or whole numbers; those of a layer with one slice are read where they lie.
class RealWeights : public WholeWeights {
public:
    explicit RealWeights(const LayerMemory& memory)
        : WholeWeights(memory), numbers_(memory.grid.count() > 1 ? num_weights() * size_of(dtype()) : 0) {}

    Dtype dtype() const final { return memory_.latent.dtype(); }
    const void* data() const override { return is_copy() ? numbers_.data() : memory_.latent.part(0); }
    void* signs() override { return nullptr; }
    std::size_t slice_nbytes(std::size_t) const override { return 0; }

    void derive(std::size_t, void*) const override {}

    void take(std::size_t index, void*) override {
        visit_own_rows(index, [](void* place, std::size_t, std::size_t nbytes) { std::memset(place, 0, nbytes); });
    }

    void put(std::size_t index, const void*) override {
        const unsigned char* numbers = memory_.latent.part(index);
        visit_own_rows(index,
                       [&](void* place, std::size_t from, std::size_t nbytes) { std::memcpy(place, numbers + from, nbytes); });
    }

    void store(const Append& append) const override {
        visit_weights(dtype(), data(), [&](const auto* numbers) {
            for (std::size_t first = 0; first < num_weights(); first += memory_.grid.num_outs()) {
                std::vector<float> reals(numbers + first, numbers + first + memory_.grid.num_outs());
                for (float& real : reals) {
                    real *= memory_.quantum;
                }
                append(reals.data(), reals.size() * sizeof(float));
            }
        });
    }

private:
    bool is_copy() const { return numbers_.nbytes() > 0; }

    template <typename Visit>
    void visit_own_rows(std::size_t index, const Visit& visit) {
        if (is_copy()) {
            visit_rows(index, [&](std::size_t at, std::size_t in_slice, std::size_t count) {
                const std::size_t size = size_of(dtype());
                visit(numbers_.data() + at * size, in_slice * size, count * size);
            });
        }
    }

    Buffer numbers_;
};

// Signs, int8 -1 and +1.
class SignBytes : public WholeWeights {
public:
    explicit SignBytes(const LayerMemory& memory) : WholeWeights(memory), signs_(num_weights()) {}

    Dtype dtype() const override { return Dtype::int8; }
    const void* data() const override { return signs_.data(); }
    void* signs() override { return signs_.data(); }
    std::size_t slice_nbytes(std::size_t index) const override { return memory_.latent.size_of_part(index); }

    void derive(std::size_t index, void* signs) const override {
        visit_weights(memory_.latent.dtype(), memory_.latent.part(index), [&](const auto* numbers) {
            const auto sign = [](auto number) { return static_cast<std::int8_t>(number >= 0 ? 1 : -1); };
            std::transform(numbers, numbers + memory_.latent.size_of_part(index), static_cast<std::int8_t*>(signs), sign);
        });
    }

    void take(std::size_t index, void* signs) override {
        visit_rows(index, [&](std::size_t at, std::size_t to, std::size_t count) {
            std::copy_n(place(at), count, static_cast<std::int8_t*>(signs) + to);
            std::fill_n(place(at), count, std::int8_t{0});
        });
    }

    void put(std::size_t index, const void* signs) override {
        visit_rows(index, [&](std::size_t at, std::size_t from, std::size_t count) {
            std::copy_n(static_cast<const std::int8_t*>(signs) + from, count, place(at));
        });
    }

    void store(const Append& append) const override { append(data(), num_weights()); }

private:
    std::int8_t* place(std::size_t at) { return signs_.data<std::int8_t>() + at; }

    Buffer signs_;
};

}  // namespace tinyfoa
