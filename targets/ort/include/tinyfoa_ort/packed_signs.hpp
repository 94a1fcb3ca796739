// SPDX-License-Identifier: Apache-2.0
// Signs as bits, as kernels read them (docs/kernels.md): those of a dense layer's weights, and those that a block's method keeps.
#pragma once

#include <cstring>
#include <memory>
#include <vector>

#include "tinyfoa_ort/whole_weights.hpp"
#include "tinyfoa_ort/words.hpp"

namespace tinyfoa {

// The signs of a dense layer, uint32 (outputs, words): a row an output.
class PackedSigns : public WholeWeights {
public:
    explicit PackedSigns(const LayerMemory& memory)
        : WholeWeights(memory), stride_(count_words(memory.grid.num_ins())),
          words_(memory.grid.num_outs() * stride_ * sizeof(Word)) {}

    Dtype dtype() const override { return Dtype::uint32; }
    Shape shape(std::size_t num_ins, std::size_t num_outs) const override {
        return {as_size(num_outs), as_size(count_words(num_ins))};
    }
    const void* data() const override { return words_.data(); }
    void* signs() override { return words_.data(); }

    std::size_t slice_nbytes(std::size_t index) const override {
        const Part part = memory_.grid.part(index);
        return part.num_outs * count_words(part.num_ins) * sizeof(Word);
    }

    void derive(std::size_t index, void* signs) const override {
        const Part part = memory_.grid.part(index);
        visit_weights(memory_.latent.dtype(), memory_.latent.part(index), [&](const auto* numbers) {
            for (std::size_t in = 0; in < part.num_ins; ++in) {
                for (std::size_t out = 0; out < part.num_outs; ++out) {
                    Word* row = static_cast<Word*>(signs) + out * count_words(part.num_ins);
                    set_bit(row, in, numbers[in * part.num_outs + out] >= 0);
                }
            }
        });
    }

    void take(std::size_t index, void* signs) override {
        const Part part = memory_.grid.part(index);
        for (std::size_t out = 0; out < part.num_outs; ++out) {
            Word* to = static_cast<Word*>(signs) + out * count_words(part.num_ins);
            copy_bits_out(row(part.first_out + out), part.first_in, part.num_ins, to);
            copy_bits_in(row(part.first_out + out), part.first_in, part.num_ins, nullptr);
        }
    }

    void put(std::size_t index, const void* signs) override {
        const Part part = memory_.grid.part(index);
        for (std::size_t out = 0; out < part.num_outs; ++out) {
            const Word* from = static_cast<const Word*>(signs) + out * count_words(part.num_ins);
            copy_bits_in(row(part.first_out + out), part.first_in, part.num_ins, from);
        }
    }

    void store(const Append& append) const override {
        std::vector<std::int8_t> signs(memory_.grid.num_outs());
        for (std::size_t in = 0; in < memory_.grid.num_ins(); ++in) {
            for (std::size_t out = 0; out < signs.size(); ++out) {
                signs[out] = bit_at(words_.data<Word>() + out * stride_, in) ? 1 : -1;
            }
            append(signs.data(), signs.size());
        }
    }

private:
    Word* row(std::size_t out) { return words_.data<Word>() + out * stride_; }

    std::size_t stride_;
    Buffer words_;
};

inline std::unique_ptr<WholeWeights> make_whole_weights(const LayerMemory& memory, bool is_packed) {
    if (!memory.is_binary) {
        return std::make_unique<RealWeights>(memory);
    }
    if (!is_packed) {
        return std::make_unique<SignBytes>(memory);
    }
    return std::make_unique<PackedSigns>(memory);
}

// What a block's method keeps, such as a head (classes, units). A matrix of signs, int8, may be kept as bits, a row a class.
class KeptTensor {
public:
    KeptTensor(const TensorEntry& entry, bool is_packed)
        : name_(entry.name), dtype_(entry.dtype), shape_(entry.shape), is_packed_(is_packed && entry.dtype == Dtype::int8),
          tensor_(is_packed_ ? Tensor(Dtype::uint32, {shape_[0], as_size(count_words(num_units()))}) : Tensor(dtype_, shape_)) {}

    std::size_t num_units() const { return static_cast<std::size_t>(shape_[1]); }
    // What a plan counts in RAM: real numbers are read where they lie, as the latent weights of other slices are.
    std::size_t held_nbytes() const { return dtype_ == Dtype::float32 ? 0 : tensor_.nbytes(); }
    // As a step takes it.
    TensorRef tensor() { return TensorRef::of(tensor_); }
    // Take over what a step has computed, which has its type and shape.
    void assign(const Tensor& next) { std::memcpy(tensor_.data(), next.data(), tensor_.nbytes()); }
    void clear() { std::memset(tensor_.data(), 0, tensor_.nbytes()); }

    // As files have it.
    StoredTensor stored() {
        if (!is_packed_) {
            return StoredTensor::whole(name_, dtype_, shape_, tensor_.data());
        }
        return {name_, dtype_, shape_, [this](const StoredTensor::Append& append) { store(append); },
                [this](const StoredTensor::Take& take) { load(take); }};
    }

private:
    Word* row(std::size_t index) { return tensor_.data<Word>() + index * count_words(num_units()); }

    void store(const StoredTensor::Append& append) {
        std::vector<std::int8_t> signs(num_units());
        for (std::size_t index = 0; index < static_cast<std::size_t>(shape_[0]); ++index) {
            for (std::size_t i = 0; i < signs.size(); ++i) {
                signs[i] = bit_at(row(index), i) ? 1 : -1;
            }
            append(signs.data(), signs.size());
        }
    }

    void load(const StoredTensor::Take& take) {
        std::vector<std::int8_t> signs(num_units());
        for (std::size_t index = 0; index < static_cast<std::size_t>(shape_[0]); ++index) {
            take(signs.data(), signs.size());
            for (std::size_t i = 0; i < signs.size(); ++i) {
                if (signs[i] != 1 && signs[i] != -1) {
                    throw input_error("tensor '" + name_ + "'", "holds something other than -1 and 1",
                                      "build the artifact again");
                }
                set_bit(row(index), i, signs[i] > 0);
            }
        }
    }

    std::string name_;
    Dtype dtype_;
    Shape shape_;
    bool is_packed_;
    Tensor tensor_;
};

}  // namespace tinyfoa
