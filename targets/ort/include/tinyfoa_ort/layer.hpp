// SPDX-License-Identifier: Apache-2.0
// A layer while its slices take turns: what a step reads and writes (docs/training.md).
//
// A run of onnxruntime may fail half-way, with some of its outputs written. So no output is bound to what is kept:
// 1. The new latent weights and optimizer state go to buffers of their own, which `commit` copies into their place; the copy
//    cannot fail. The plan counts these buffers as the active slice; what they are copied to is its nonvolatile memory.
// 2. Signs and the small tensors of a turn (bias, sums, numbers of the slice) are updated in place in copies. Signs are a
//    function of the latent weights, the rest is kept in LayerMemory, so `roll_back` makes them again.
// Hence after every step, taken or failed, LayerMemory is whole, and a turn may end and begin again at any step.
#pragma once

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "tinyfoa_ort/layer_memory.hpp"
#include "tinyfoa_ort/names.hpp"
#include "tinyfoa_ort/packed_signs.hpp"
#include "tinyfoa_ort/value.hpp"

namespace tinyfoa {

class Layer {
public:
    static constexpr std::size_t none = static_cast<std::size_t>(-1);

    // `is_packed`: signs are bits, as kernels read them; else a byte each.
    Layer(LayerMemory memory, bool is_packed) : memory_(std::move(memory)), whole_(make_whole_weights(memory_, is_packed)) {
        abs_sum_.resize(memory_.positions * grid().num_outs());
        outer_bias_.resize(memory_.bias.size());
        derive();
    }
    Layer(const Layer&) = delete;
    Layer& operator=(const Layer&) = delete;

    LayerMemory& memory() { return memory_; }
    const Grid& grid() const { return memory_.grid; }
    std::size_t active() const { return active_; }

    // Make signs and sums anew from what is kept; no slice may be active.
    void derive() {
        for (std::size_t index = 0; index < grid().count(); ++index) {
            Buffer signs(whole_->slice_nbytes(index));
            whole_->derive(index, signs.data());
            whole_->put(index, signs.data());
        }
        for (std::size_t out = 0; out < grid().num_outs(); ++out) {
            sum_bands(out, none);
        }
        outer_bias_ = memory_.bias;
    }

    // What a forward pass reads; the turn ends.
    TensorRefs forward_tensors() {
        end_turn();
        return layer_tensors();
    }

    // What the inference model has of the layer; the turn ends.
    std::vector<StoredTensor> inference_tensors() {
        end_turn();
        std::vector<StoredTensor> found;
        for (const auto& [key, tensor] : forward_numbers()) {
            found.push_back(StoredTensor::whole(key, tensor.dtype, tensor.shape, const_cast<void*>(tensor.read)));
        }
        const Shape shape = whole_->step_shape(grid().num_ins(), grid().num_outs());
        const auto store = [this](const StoredTensor::Append& append) { whole_->store(append); };
        found.push_back({name("w"), memory_.is_binary ? Dtype::int8 : Dtype::float32, shape, store, nullptr});
        return found;
    }

    // Let slice `index` be trained; returns all tensors of the layer that a step reads and writes.
    TensorRefs begin_turn(std::size_t index) {
        end_turn();
        active_ = index;
        reserve_next();
        return turn_tensors();
    }

    // Put the active slice's signs and sums back in their place; nothing happens where no slice is active.
    void end_turn() {
        if (active_ == none) {
            return;
        }
        const std::size_t index = std::exchange(active_, none);
        if (is_sliced()) {
            const Part part = grid().part(index);
            whole_->put(index, slice_signs_.data());
            for (std::size_t out = part.first_out; out < part.first_out + part.num_outs; ++out) {
                sum_bands(out, none);
            }
            outer_bias_ = memory_.bias;
        }
    }

    // Keep what a step has written.
    void commit() {
        std::memcpy(memory_.latent.part(active_), next_weights_.data(), memory_.latent.nbytes_of_part(active_));
        for (std::size_t i = 0; i < memory_.states.size(); ++i) {
            std::memcpy(memory_.moments[i].part(active_), next_moments_[i].data(), memory_.moments[i].nbytes_of_part(active_));
        }
        visit_turn([](auto* kept, const auto* turn, std::size_t count) { std::copy_n(turn, count, kept); });
    }

    // Forget what a failed step may have written.
    void roll_back() {
        whole_->derive(active_, turn_signs());
        fill_turn();
    }

    void reset_optimizer() {
        end_turn();
        memory_.reset_optimizer();
    }

    // Bytes that a plan counts as the active slice in RAM: latent weights, optimizer state, signs, bias, sums, its origin.
    std::size_t turn_nbytes() const {
        const Part part = grid().part(active_);
        const std::size_t copies = 1 + memory_.states.size(),
                          num_biases = memory_.has_bias() ? part.num_outs * memory_.positions : 0;
        const std::size_t num_weights = memory_.latent.size_of_part(active_);
        const std::size_t num_sums = memory_.is_binary ? part.num_outs * memory_.positions : 0;
        const std::size_t num_scalars = memory_.scalars.size() + (memory_.step_counts.empty() ? 0 : 1);
        const std::size_t num_numbers =
            copies * num_biases + memory_.states.size() * num_weights + num_sums + num_scalars * (memory_.has_bias() ? 2 : 1);
        const std::size_t weights_nbytes = memory_.latent.nbytes_of_part(active_) + (memory_.has_integers() ? sizeof(float) : 0);
        return sizeof(float) * num_numbers + weights_nbytes + whole_->slice_nbytes(active_) + (is_sliced() ? sizeof origin_ : 0);
    }

private:
    bool is_sliced() const { return grid().count() > 1; }
    std::string name(const std::string& role) const { return names::own(memory_.name, role); }

    // Shapes as the function bodies have them: biases are flat (tinyfoa_rt/operators/products.py).
    Shape sums_shape(std::size_t num_outs) const {
        const std::int64_t size = as_size(num_outs);
        return memory_.is_local ? Shape{as_size(memory_.positions), size} : Shape{size};
    }
    Shape bias_shape(std::size_t num_outs) const { return {as_size(num_outs * memory_.positions)}; }

    static TensorRef reading(Dtype dtype, const Shape& shape, const void* data) { return {dtype, shape, data, nullptr}; }
    static TensorRef updating(Dtype dtype, const Shape& shape, void* data) { return {dtype, shape, data, data}; }

    // What a forward pass reads.
    TensorRefs layer_tensors() const {
        TensorRefs tensors = forward_numbers();
        tensors[name("w")] = reading(whole_->dtype(), whole_->shape(grid().num_ins(), grid().num_outs()), whole_->data());
        add_quantum(tensors);
        return tensors;
    }

    void add_quantum(TensorRefs& tensors) const {
        if (memory_.has_integers()) {
            tensors[names::quantum_of(name("w"))] = reading(Dtype::float32, {}, &memory_.quantum);
        }
    }

    // What a forward pass reads beside the weights.
    TensorRefs forward_numbers() const {
        TensorRefs tensors;
        if (memory_.is_binary) {
            tensors[name("abs_sum")] = reading(Dtype::float32, sums_shape(grid().num_outs()), abs_sum_.data());
        }
        if (memory_.has_bias()) {
            tensors[name("bias")] = reading(Dtype::float32, bias_shape(grid().num_outs()), outer_bias_.data());
        }
        return tensors;
    }

    // In a turn signs, sums and bias of the active slice; of a whole layer all of them.
    void* turn_signs() { return is_sliced() ? slice_signs_.data() : whole_->signs(); }
    std::vector<float>& bias() { return is_sliced() ? bias_slice_ : outer_bias_; }
    float* turn_sums() { return (is_sliced() ? abs_sum_slice_ : abs_sum_).data(); }

    // Call `visit(what is kept, its copy of the turn, count)` for all numbers that a step updates in place, but signs.
    template <typename Visit>
    void visit_turn(const Visit& visit) {
        const Part part = grid().part(active_);
        if (memory_.has_bias()) {
            const std::size_t first = part.first_out * memory_.positions, count = part.num_outs * memory_.positions;
            visit(memory_.bias.data() + first, bias().data(), count);
            for (std::size_t i = 0; i < memory_.states.size(); ++i) {
                float* kept = memory_.bias_moments[i].data() + part.band * memory_.bias.size() + first;
                visit(kept, bias_moments_[i].data(), count);
            }
        }
        for (std::size_t position = 0; memory_.is_binary && position < memory_.positions; ++position) {
            const std::size_t start = (part.band * memory_.positions + position) * grid().num_outs() + part.first_out;
            visit(memory_.abs_sums.data() + start, turn_sums() + position * part.num_outs, part.num_outs);
        }
        for (std::size_t i = 0; i < memory_.weight_scalars.size(); ++i) {
            visit(&memory_.weight_scalars[i][active_], &weight_scalars_[i], 1);
        }
        for (std::size_t i = 0; i < memory_.bias_scalars.size(); ++i) {
            visit(&memory_.bias_scalars[i][active_], &bias_scalars_[i], 1);
        }
        if (!memory_.step_counts.empty()) {
            visit(&memory_.step_counts[active_], &weight_step_count_, 1);
        }
    }

    // Sum |W| of an output over all bands but one.
    void sum_bands(std::size_t out, std::size_t without) {
        const std::size_t num_outs = grid().num_outs();
        for (std::size_t position = 0; position < memory_.positions; ++position) {
            float sum = 0;
            for (std::size_t band = 0; band < grid().num_bands(); ++band) {
                sum += band == without ? 0.0f : memory_.abs_sums[(band * memory_.positions + position) * num_outs + out];
            }
            abs_sum_[position * num_outs + out] = sum;
        }
    }

    void reserve_next() {
        const std::size_t nbytes = memory_.latent.nbytes_of_part(active_);
        if (next_weights_.nbytes() < nbytes) {
            next_weights_ = Buffer(nbytes);
            next_moments_.clear();
            for (const SlicedTensor& moments : memory_.moments) {
                next_moments_.emplace_back(moments.nbytes_of_part(active_));
            }
        }
        const Part part = grid().part(active_);
        const std::size_t num_biases = memory_.has_bias() ? part.num_outs * memory_.positions : 0;
        bias_moments_.assign(memory_.states.size(), std::vector<float>(num_biases));
        weight_scalars_.resize(memory_.weight_scalars.size());
        bias_scalars_.resize(memory_.bias_scalars.size());
        if (is_sliced()) {
            bias_slice_.resize(num_biases);
            abs_sum_slice_.resize(part.num_outs * memory_.positions);
            if (slice_signs_.nbytes() < whole_->slice_nbytes(active_)) {
                slice_signs_ = Buffer(whole_->slice_nbytes(active_));
            }
        }
    }

    void fill_turn() {
        visit_turn([](const auto* kept, auto* turn, std::size_t count) { std::copy_n(kept, count, turn); });
        bias_step_count_ = weight_step_count_;  // weights and bias of a slice have taken the same steps
    }

    void add_parameter(TensorRefs& tensors, const std::string& weight, const std::string& bias_name) {
        const Part part = grid().part(active_);
        const Shape shape = whole_->step_shape(part.num_ins, part.num_outs);
        tensors[name(weight)] = {memory_.latent.dtype(), shape, memory_.latent.part(active_), next_weights_.data()};
        const Shape biases = bias_shape(part.num_outs);
        if (memory_.has_bias()) {
            tensors[name(bias_name)] = updating(Dtype::float32, biases, bias().data());
        }
        for (std::size_t i = 0; i < memory_.states.size(); ++i) {
            tensors[names::own(name(weight), memory_.states[i])] = {Dtype::float32, shape, memory_.moments[i].part(active_),
                                                                    next_moments_[i].data()};
            if (memory_.has_bias()) {
                tensors[names::own(name(bias_name), memory_.states[i])] =
                    updating(Dtype::float32, biases, bias_moments_[i].data());
            }
        }
        const auto add_scalars = [&](const std::string& of, std::vector<float>& turn) {
            for (std::size_t i = 0; i < turn.size(); ++i) {
                tensors[names::own(of, memory_.scalars[i])] = updating(Dtype::float32, {}, &turn[i]);
            }
        };
        add_scalars(name(weight), weight_scalars_);
        add_scalars(name(bias_name), bias_scalars_);
        if (!memory_.step_counts.empty()) {
            tensors[names::own(name(weight), "step_count")] = updating(Dtype::int32, {}, &weight_step_count_);
            tensors[names::own(name(bias_name), "step_count")] = updating(Dtype::int32, {}, &bias_step_count_);
        }
    }

    // All that a step reads and writes; of a slice, its own names end in _slice. Of the rest of the layer a step then sees zeros
    // in place of the active slice, so that sums of both are those of the whole.
    TensorRefs turn_tensors() {
        const Part part = grid().part(active_);
        const std::string weight = is_sliced() ? "w_slice" : "w", sum = is_sliced() ? "abs_sum_slice" : "abs_sum";
        fill_turn();
        TensorRefs tensors = is_sliced() ? outer_tensors(part) : TensorRefs();
        add_parameter(tensors, weight, is_sliced() ? "bias_slice" : "bias");
        add_quantum(tensors);
        if (memory_.is_binary) {
            const Shape shape = whole_->shape(part.num_ins, part.num_outs);
            tensors[names::own(name(weight), "bits")] = updating(whole_->dtype(), shape, turn_signs());
            tensors[name(sum)] = updating(Dtype::float32, sums_shape(part.num_outs), turn_sums());
        }
        return tensors;
    }

    // Take the active slice out of the layer; returns the rest, and where the slice lies.
    TensorRefs outer_tensors(const Part& part) {
        whole_->take(active_, slice_signs_.data());
        for (std::size_t out = part.first_out; out < part.first_out + part.num_outs; ++out) {
            sum_bands(out, part.band);
        }
        if (memory_.has_bias()) {
            std::fill_n(outer_bias_.data() + part.first_out * memory_.positions, part.num_outs * memory_.positions, 0.0f);
        }
        const std::size_t origin[] = {part.first_in, part.first_out, part.num_ins, part.num_outs};
        std::transform(origin, origin + 4, origin_, [](std::size_t size) { return static_cast<std::int32_t>(size); });
        TensorRefs tensors = layer_tensors();
        tensors[name("origin")] = reading(Dtype::int32, {4}, origin_);
        return tensors;
    }

    LayerMemory memory_;
    std::unique_ptr<WholeWeights> whole_;
    std::vector<float> abs_sum_, outer_bias_;  // of the layer, but for the active slice; after a turn of all of it
    std::size_t active_ = none;
    Buffer next_weights_;
    std::vector<Buffer> next_moments_;
    Buffer slice_signs_;
    std::vector<float> bias_slice_, abs_sum_slice_;
    std::vector<std::vector<float>> bias_moments_;
    std::vector<float> weight_scalars_, bias_scalars_;
    std::int32_t weight_step_count_ = 0, bias_step_count_ = 0;
    std::int32_t origin_[4] = {};
};

}  // namespace tinyfoa
