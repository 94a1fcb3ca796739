// SPDX-License-Identifier: Apache-2.0
// The forward pass in stages, from samples to the block in training and to the output.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tinyfoa_ort/artifact.hpp"
#include "tinyfoa_ort/model_state.hpp"
#include "tinyfoa_ort/session.hpp"

namespace tinyfoa {

// A value on its way through the model, and what keeps its memory.
struct Activation {
    TensorRef tensor;
    std::shared_ptr<const void> owner;

    std::size_t nbytes() const { return count_elements(tensor.shape).value_or(0) * size_of(tensor.dtype); }
};

using Activations = std::map<std::string, Activation>;

class ForwardPass {
public:
    ForwardPass(const Artifact& artifact, ModelState& state, const Options& options, std::shared_ptr<const Kernels> kernels)
        : artifact_(artifact), state_(state), options_(options), kernels_(std::move(kernels)) {}

    // Whether anything is computed before block `index`.
    bool has_stages(std::size_t index) const {
        const std::vector<std::string>& stages = artifact_.manifest().stages;
        return std::any_of(stages.begin(), stages.begin() + static_cast<std::ptrdiff_t>(index) + 1,
                           [](const std::string& path) { return !path.empty(); });
    }

    // What is there when block `index` begins, from the values when block `first` does (or the samples, for stage 0).
    Activations advance(Activations values, std::size_t first, std::size_t index) {
        for (std::size_t stage = first; stage <= index; ++stage) {
            run_stage(stage, values);
            keep_needed(stage, values);
        }
        return values;
    }

    // From normalized samples to block `index`; to the output where there is no such block.
    Activations to_block(const std::shared_ptr<const Tensor>& x, std::size_t index) {
        Activations values;
        values[artifact_.manifest().input] = {{x->dtype(), x->shape(), x->data(), nullptr}, x};
        return advance(std::move(values), 0, index);
    }

    // Open all sessions, so that a pass allocates only what it computes.
    void open() {
        for (const std::string& path : artifact_.manifest().stages) {
            if (!path.empty() && sessions_.count(path) == 0) {
                const std::string model = artifact_.model(path, state_.is_packed());
                sessions_.emplace(path, std::make_unique<Session>(path, model, options_, kernels_));
            }
        }
    }

private:
    void run_stage(std::size_t stage, Activations& values) {
        const std::string& path = artifact_.manifest().stages[stage];
        if (path.empty()) {
            return;
        }
        TensorRefs feeds = state_.forward_tensors();
        for (const auto& [name, value] : values) {
            feeds[name] = value.tensor;
        }
        for (auto& [name, value] : sessions_.at(path)->call(feeds)) {
            auto owner = std::make_shared<Value>(std::move(value));
            const TensorType type = owner->type();
            values[name] = {{type.dtype, type.shape, owner->data(), nullptr}, owner};
        }
    }

    // Let go of what no block from `stage` on and no later stage reads.
    void keep_needed(std::size_t stage, Activations& values) {
        const Manifest& manifest = artifact_.manifest();
        std::set<std::string> wanted = {manifest.score};
        for (std::size_t index = stage; index < manifest.blocks.size(); ++index) {
            wanted.insert(manifest.blocks[index].inputs.begin(), manifest.blocks[index].inputs.end());
        }
        for (std::size_t later = stage + 1; later < manifest.stages.size(); ++later) {
            if (!manifest.stages[later].empty()) {
                for (const Port& port : sessions_.at(manifest.stages[later])->inputs()) {
                    wanted.insert(port.name);
                }
            }
        }
        for (auto at = values.begin(); at != values.end();) {
            at = wanted.count(at->first) > 0 ? std::next(at) : values.erase(at);
        }
    }

    const Artifact& artifact_;
    ModelState& state_;
    Options options_;
    std::shared_ptr<const Kernels> kernels_;
    std::map<std::string, std::unique_ptr<Session>> sessions_;
};

}  // namespace tinyfoa
