// SPDX-License-Identifier: Apache-2.0
// The state of all blocks: layers, scales and what methods keep.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tinyfoa_ort/artifact.hpp"
#include "tinyfoa_ort/layer.hpp"
#include "tinyfoa_ort/names.hpp"
#include "tinyfoa_ort/packed_signs.hpp"
#include "tinyfoa_ort/safetensors.hpp"

namespace tinyfoa {

class ModelState {
public:
    // Begin with the artifact's initial state; `is_packed`: steps and stages are in their packed form.
    ModelState(const Artifact& artifact, const std::string& storage, bool is_packed) : is_packed_(is_packed) {
        const Manifest& manifest = artifact.manifest();
        TensorFile file(artifact.initial());
        const auto entry = [&](const std::string& name) -> const TensorEntry& { return file.entry(name, detail::build_again); };
        const auto check = [&](const std::string& name, bool fits, const std::string& problem) {
            if (!fits) {
                throw input_error(file.place() + ", tensor '" + name + "'", problem, detail::build_again);
            }
        };
        for (const BlockRecord& block : manifest.blocks) {
            for (const LayerRecord& layer : block.layers) {
                if (is_packed && layer.shape.size() != 2) {
                    throw input_error("layer '" + layer.name + "'", "has no packed form", "use kernels \"none\"");
                }
                // No memory is taken before the file is known to fill it.
                const TensorEntry& weight = entry(names::own(layer.name, "weight"));
                const Dtype dtype = weight.dtype;
                const bool is_known = dtype == Dtype::float32 || dtype == Dtype::int8 || dtype == Dtype::int16;
                check(weight.name, weight.shape == layer.shape && is_known, "has another shape or type than the manifest says");
                auto state = std::make_unique<Layer>(LayerMemory(layer, manifest.optimizer, storage, dtype), is_packed);
                if (!layers_.emplace(layer.name, std::move(state)).second) {
                    throw input_error(file.place(), "layer '" + layer.name + "' is there twice", detail::build_again);
                }
            }
            const bool hands_on_bits = std::count(block.binary.begin(), block.binary.end(), block.output) > 0;
            for (const std::string& name : block.kept) {
                const TensorEntry& kept = entry(block.name + name);
                check(kept.name, kept.shape.size() == 2 || kept.dtype != Dtype::int8, "is no matrix");
                // What a block hands on as real numbers, its head reads as such; a head that learns is no matrix of signs.
                const auto& all = block.kept;
                const bool is_of_signs = std::count(all.begin(), all.end(), names::quantum_of(name)) == 0;
                kept_.emplace(kept.name, KeptTensor(kept, is_packed && hands_on_bits && is_of_signs));
            }
            for (const std::string& value : block.binary) {
                const TensorEntry& scale = entry(names::own(value, "scale"));
                check(scale.name, scale.shape.empty() && scale.dtype == Dtype::float32, "is no number");
                scales_.emplace(scale.name, Tensor(scale.dtype, scale.shape));
            }
        }
        std::vector<StoredTensor> initial;
        for (StoredTensor& tensor : stored()) {
            if (is_initial(tensor.name)) {
                initial.push_back(std::move(tensor));
            }
        }
        load(file, initial, detail::build_again);
        for (auto& [name, layer] : layers_) {
            layer->memory().derive_abs_sums();
            layer->derive();
        }
    }

    Layer& layer(const std::string& name) { return *layers_.at(name); }
    KeptTensor& kept(const std::string& name) { return kept_.at(name); }
    bool is_packed() const { return is_packed_; }
    float& scale(const std::string& name) {
        const auto found = scales_.find(name);
        if (found == scales_.end()) {
            throw input_error("tensor '" + name + "'", "is missing", detail::build_again);
        }
        return *found->second.data<float>();
    }

    // All that a checkpoint holds.
    std::vector<StoredTensor> stored() {
        std::vector<StoredTensor> found;
        for (auto& [name, tensor] : kept_) {
            found.push_back(tensor.stored());
        }
        add_scales(found);
        for (auto& [name, layer] : layers_) {
            for (StoredTensor& tensor : layer->memory().stored()) {
                found.push_back(std::move(tensor));
            }
        }
        return found;
    }

    // The parameters of the inference model; turns end.
    std::vector<StoredTensor> inference_tensors() {
        std::vector<StoredTensor> found;
        add_scales(found);
        for (auto& [name, layer] : layers_) {
            for (StoredTensor& tensor : layer->inference_tensors()) {
                found.push_back(std::move(tensor));
            }
        }
        return found;
    }

    // Take over the tensors of a checkpoint.
    void restore(TensorFile& file) {
        end_turns();
        load(file, stored(), "start training anew");
        for (auto& [name, layer] : layers_) {
            layer->derive();
        }
    }

    // What the forward pass reads; turns end.
    TensorRefs forward_tensors() {
        TensorRefs tensors = scales();
        for (auto& [name, layer] : layers_) {
            tensors.merge(layer->forward_tensors());
        }
        return tensors;
    }

    // Scales by name: steps and the forward pass read them.
    TensorRefs scales() {
        TensorRefs tensors;
        for (auto& [name, tensor] : scales_) {
            tensors[name] = TensorRef::of(tensor);
        }
        return tensors;
    }

    void end_turns() {
        for (auto& [name, layer] : layers_) {
            layer->end_turn();
        }
    }

private:
    void add_scales(std::vector<StoredTensor>& to) {
        for (auto& [name, tensor] : scales_) {
            to.push_back(StoredTensor::whole(name, tensor.dtype(), tensor.shape(), tensor.data()));
        }
    }

    // Whether a tensor is in the initial file; the others follow from it, or are zero.
    bool is_initial(const std::string& name) const {
        const auto is_of = [&](const auto& layer) {
            const std::string weight = names::own(layer.first, "weight");
            return name == weight || name == names::quantum_of(weight) || name == names::own(layer.first, "bias");
        };
        return kept_.count(name) + scales_.count(name) > 0 || std::any_of(layers_.begin(), layers_.end(), is_of);
    }

    static void load(TensorFile& file, const std::vector<StoredTensor>& tensors, const std::string& mend) {
        std::map<std::string, const StoredTensor*> into;
        for (const StoredTensor& tensor : tensors) {
            const TensorEntry& entry = file.entry(tensor.name, mend);
            if (entry.dtype != tensor.dtype || entry.shape != tensor.shape) {
                const std::string found = name_of(entry.dtype) + to_text(entry.shape);
                const std::string expected = name_of(tensor.dtype) + to_text(tensor.shape);
                throw input_error(file.place() + ", tensor '" + tensor.name + "'", "is " + found + ", expected " + expected,
                                  mend);
            }
            into[tensor.name] = &tensor;
        }
        file.load(into);
    }

    std::map<std::string, std::unique_ptr<Layer>> layers_;
    std::map<std::string, KeptTensor> kept_;
    std::map<std::string, Tensor> scales_;
    bool is_packed_;
};

}  // namespace tinyfoa
