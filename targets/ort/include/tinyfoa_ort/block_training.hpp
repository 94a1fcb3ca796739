// SPDX-License-Identifier: Apache-2.0
// Training steps of one block: its session, the memory that it is bound to, and the turns of its slices.
#pragma once

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <string>
#include <vector>

#include "tinyfoa_ort/artifact.hpp"
#include "tinyfoa_ort/evaluation.hpp"
#include "tinyfoa_ort/memory_use.hpp"
#include "tinyfoa_ort/model_state.hpp"
#include "tinyfoa_ort/session.hpp"

namespace tinyfoa {

struct StepResult {
    float loss = 0;      // mean of the batch
    float accuracy = 0;  // share of the batch that the block's scores classify right; 0 for a regression
};

class BlockTraining {
public:
    // `sessions` are those of the block's steps: one, or one for each layer where layers take turns.
    BlockTraining(const Artifact& artifact, std::size_t index, ModelState& state, MemoryUse& memory,
                  std::vector<Session> sessions)
        : manifest_(artifact.manifest()), record_(artifact.block(index)), state_(state), memory_(memory),
          sessions_(std::move(sessions)), rate_(Dtype::float32, {}), number_(Dtype::int64, {}) {
        for (const LayerRecord& layer : record_.layers) {
            layers_.push_back(&state.layer(layer.name));
        }
        for (const std::string& name : record_.inputs) {
            inputs_[name] = batch_tensor(name);
        }
        target_ = batch_tensor(names::target);
        for (const Port& port : sessions_.front().outputs()) {
            if (manifest_.next_of.count(port.name) == 0) {
                outputs_[port.name] = Tensor(port.type.dtype, port.type.shape);
            }
        }
        check_sizes();
        bind_fixed();
    }

    const BlockRecord& record() const { return record_; }
    std::map<std::string, Tensor>& inputs() { return inputs_; }
    Tensor& target() { return target_; }

    std::int64_t num_turns() const {
        std::size_t most = 0;
        for (const Layer* layer : layers_) {
            most = std::max(most, layer->grid().turns());
        }
        return static_cast<std::int64_t>(most * sessions_.size());
    }

    // Let slice `turn` of each layer be trained, or where layers take turns the next slice of the next layer; nothing happens
    // where it is active already.
    void begin_turn(std::int64_t turn) {
        const std::size_t place = static_cast<std::size_t>(turn) % sessions_.size();
        const std::size_t number = static_cast<std::size_t>(turn) / sessions_.size();
        const auto slice = [&](std::size_t i) {
            return sessions_.size() == 1 || i == place ? number % layers_[i]->grid().turns() : Layer::none;
        };
        bool is_active = true;
        for (std::size_t i = 0; i < layers_.size(); ++i) {
            is_active = is_active && layers_[i]->active() == slice(i);
        }
        if (is_active) {
            return;
        }
        TensorRefs tensors;
        for (std::size_t i = 0; i < layers_.size(); ++i) {
            tensors.merge(slice(i) == Layer::none ? layers_[i]->forward_tensors() : layers_[i]->begin_turn(slice(i)));
        }
        place_ = place;
        sessions_[place_].bind(tensors, manifest_.next_of);
    }

    // Take step `number` of the block on the batch in `inputs` and `target`, `before` steps of all blocks having been taken in
    // the round. When it throws, the state is as it was.
    StepResult step(double rate, std::int64_t number, std::int64_t before) {
        constexpr double largest = std::numeric_limits<float>::max();
        *rate_.data<float>() = rate > largest ? std::numeric_limits<float>::infinity() : static_cast<float>(rate);
        *number_.data<std::int64_t>() = before;
        std::vector<float> scales;
        for (const std::string& value : record_.binary) {
            scales.push_back(state_.scale(names::own(value, "scale")));
        }
        try {
            memory_.run(held_nbytes(), [this] { sessions_[place_].run(); });
            const float loss = *outputs_.at(names::loss).data<float>();
            if (!std::isfinite(loss)) {
                throw divergence_error(record_.name, number, std::isnan(loss) ? "the loss is NaN" : "the loss is infinite");
            }
        } catch (...) {
            for (Layer* layer : active_layers()) {
                layer->roll_back();
            }
            for (std::size_t i = 0; i < scales.size(); ++i) {
                state_.scale(names::own(record_.binary[i], "scale")) = scales[i];
            }
            throw;
        }
        for (Layer* layer : active_layers()) {
            layer->commit();
        }
        for (const auto& [name, next] : next_kept_) {
            state_.kept(record_.name + name).assign(next);
        }
        return {*outputs_.at(names::loss).data<float>(), accuracy()};
    }

    void end_turn() {
        for (Layer* layer : layers_) {
            layer->end_turn();
        }
    }

    void reset_optimizer() {
        for (Layer* layer : layers_) {
            layer->reset_optimizer();
        }
        for (const std::string& name : record_.kept) {
            const std::string owner = names::owner_of(name);
            const bool is_of_another = std::count(record_.kept.begin(), record_.kept.end(), owner) > 0;
            if (is_of_another && name != names::quantum_of(owner)) {
                state_.kept(record_.name + name).clear();  // what the optimizer keeps of what the method does
            }
        }
    }

    // Mean x^2 of the block's inputs for each sample of the batch; of bits and levels times s^2 of a scale.
    std::vector<double> input_powers() {
        std::vector<double> powers(manifest_.batch);
        for (const auto& [name, tensor] : inputs_) {
            const bool is_scaled = tensor.dtype() != Dtype::float32 && manifest_.has_scaled_inputs();
            const double scale = is_scaled ? static_cast<double>(state_.scale(names::own(name, "scale"))) : 1.0;
            for (std::size_t i = 0; i < powers.size(); ++i) {
                powers[i] += scale * scale * mean_square(name, tensor, i) / static_cast<double>(inputs_.size());
            }
        }
        return powers;
    }

    // RAM that the plan counts and this trainer holds during a step: the batch, results, what the method keeps, the active slice.
    std::size_t held_nbytes() const {
        std::size_t total = target_.nbytes() + rate_.nbytes() + (reads_number() ? number_.nbytes() : 0);
        for (const auto& [name, tensor] : inputs_) {
            total += tensor.nbytes();
        }
        for (const auto& [name, tensor] : outputs_) {
            total += tensor.nbytes();
        }
        for (const Layer* layer : layers_) {
            total += layer->active() == Layer::none ? 0 : layer->turn_nbytes();
        }
        for (const std::string& name : record_.kept) {
            const auto next = next_kept_.find(name);
            total += next == next_kept_.end() ? state_.kept(record_.name + name).held_nbytes() : next->second.nbytes();
        }
        return total + record_.binary.size() * sizeof(float);
    }

private:
    // Whether what a step draws depends on how many were taken before.
    bool reads_number() const { return sessions_.front().input(names::step) != nullptr; }

    // Mean x^2 of a sample of an input; bits are 0 and 1, levels 0 to 3.
    double mean_square(const std::string& name, const Tensor& tensor, std::size_t sample) const {
        const std::size_t size = tensor.size() / manifest_.batch, start = sample * size;
        if (tensor.dtype() == Dtype::uint32) {
            return static_cast<double>(count_ones(tensor.data<Word>() + start, size)) /
                   static_cast<double>(sessions_.front().input(name)->bits);
        }
        double sum = 0;
        for (std::size_t i = start; i < start + size; ++i) {
            const double x = tensor.dtype() == Dtype::uint8 ? tensor.data<std::uint8_t>()[i] : tensor.data<float>()[i];
            sum += x * x;
        }
        return sum / static_cast<double>(size);
    }

    std::vector<Layer*> active_layers() const {
        std::vector<Layer*> found;
        std::copy_if(layers_.begin(), layers_.end(), std::back_inserter(found),
                     [](const Layer* layer) { return layer->active() != Layer::none; });
        return found;
    }

    Tensor batch_tensor(const std::string& name) const {
        const Port* port = sessions_.front().input(name);
        const Shape shape = port == nullptr ? Shape() : port->type.shape;
        const bool has_batch = !shape.empty() && static_cast<std::size_t>(shape[0]) % manifest_.batch == 0;
        if (!has_batch || std::any_of(shape.begin(), shape.end(), [](std::int64_t size) { return size < 1; })) {
            const std::string problem = "has no input '" + name + "' of " + std::to_string(manifest_.batch) + " samples";
            throw input_error(record_.step, problem, detail::build_again);
        }
        return Tensor(port->type.dtype, shape);
    }

    // Sizes that this trainer relies on: those of the model's own tensors are onnxruntime's to check.
    void check_sizes() const {
        const Shape shape = {as_size(manifest_.batch), as_size(manifest_.num_outputs)};
        const bool has_labels = manifest_.has_labels();
        const Shape target = has_labels ? Shape{shape[0]} : shape;
        const bool fits_target =
            target_.dtype() == (has_labels ? Dtype::int64 : Dtype::float32) && target_.size() == count_elements(target);
        const auto is_float = [this](const std::string& name, const Shape& expected) {
            const auto found = outputs_.find(name);
            return found != outputs_.end() && found->second.dtype() == Dtype::float32 &&
                   found->second.size() == count_elements(expected);
        };
        const auto is_known = [this](const auto& input) {
            const Tensor& tensor = input.second;
            const std::size_t bits = sessions_.front().input(input.first)->bits;
            const bool is_packed = tensor.dtype() == Dtype::uint32 && bits > 0 && tensor.shape().size() == 2 &&
                                   count_words(bits) == static_cast<std::size_t>(tensor.shape()[1]);
            return is_packed || tensor.dtype() == Dtype::uint8 || tensor.dtype() == Dtype::float32;
        };
        if (!fits_target || !is_float(names::loss, {}) || !is_float(record_.scores, shape) ||
            !std::all_of(inputs_.begin(), inputs_.end(), is_known)) {
            throw input_error(record_.step,
                              "has targets, scores, a loss or inputs of another type or size than the manifest says",
                              detail::build_again);
        }
    }

    void bind_fixed() {
        TensorRefs tensors = state_.scales();
        for (auto& [name, tensor] : inputs_) {
            tensors[name] = TensorRef::of(tensor);
        }
        for (auto& [name, tensor] : outputs_) {
            tensors[name] = TensorRef::of(tensor);
        }
        tensors[names::target] = TensorRef::of(target_);
        tensors[names::rate] = TensorRef::of(rate_);
        tensors[names::step] = TensorRef::of(number_);
        for (const std::string& name : record_.kept) {
            tensors[name] = state_.kept(record_.name + name).tensor();
        }
        for (const Port& output : sessions_.front().outputs()) {
            const auto next = manifest_.next_of.find(output.name);
            const auto kept = next == manifest_.next_of.end() ? record_.kept.end()
                                                              : std::find(record_.kept.begin(), record_.kept.end(), next->second);
            if (kept != record_.kept.end()) {
                TensorRef& learning = tensors[*kept];
                learning.write = next_kept_.emplace(*kept, Tensor(learning.dtype, learning.shape)).first->second.data();
            }
        }
        for (Session& session : sessions_) {
            session.bind(tensors, manifest_.next_of);
        }
    }

    float accuracy() const {
        Answers answers(manifest_);
        const float* scores = outputs_.at(record_.scores).data<float>();
        const std::size_t width = manifest_.num_outputs;
        for (std::size_t i = 0; i < manifest_.batch; ++i) {
            answers.add(scores + i * width, manifest_.has_labels() ? Target{target_.data<std::int64_t>() + i, nullptr}
                                                                   : Target{nullptr, target_.data<float>() + i * width});
        }
        return static_cast<float>(answers.share());
    }

    const Manifest& manifest_;
    const BlockRecord& record_;
    ModelState& state_;
    MemoryUse& memory_;
    std::vector<Session> sessions_;
    std::size_t place_ = 0;  // of the session whose layers move
    std::vector<Layer*> layers_;
    std::map<std::string, Tensor> inputs_, outputs_;
    Tensor target_, rate_, number_;
    // What of the method's learns is written here, and copied into its place when the step has been taken (layer.hpp).
    std::map<std::string, Tensor> next_kept_;
};

}  // namespace tinyfoa
