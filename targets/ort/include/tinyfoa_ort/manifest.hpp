// SPDX-License-Identifier: Apache-2.0
// The manifest of an artifact; everything in it is checked here, once. The fields are those of tinyfoa_rt/artifact/records.py.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tinyfoa_ort/artifact_paths.hpp"
#include "tinyfoa_ort/error.hpp"
#include "tinyfoa_ort/json_read.hpp"
#include "tinyfoa_ort/record_reader.hpp"
#include "tinyfoa_ort/sha256.hpp"
#include "tinyfoa_ort/tensor.hpp"

namespace tinyfoa {

struct LayerRecord {
    std::string name;
    std::string kind;                // dense, conv or local; bias: biases alone, as weights of one input
    Shape shape;                     // of its weights: ([[positions,] taps,] inputs, outputs)
    std::vector<std::int64_t> ins;   // bounds of its slices along the inputs
    std::vector<std::int64_t> outs;  // and along the outputs
    std::int64_t turns = 1;          // how many of its slices are trained, from the first on
    bool has_bias = false;
    bool is_binary = true;
};

// The rate at which a block starts, as a law of the mean square of what it reads.
struct RateRecord {
    double boost = 1, fan_in = 1, least_power = 1;
    std::optional<double> numerator, most;

    double at(double power) const {
        if (!numerator) {
            return boost;
        }
        const double rate = *numerator / (fan_in * std::max(power, least_power));
        return boost * (most ? std::min(rate, *most) : rate);
    }
};

struct BlockRecord {
    std::string name;
    std::string step;                      // path of its training step; the first where there are several
    std::vector<std::string> layer_steps;  // paths of steps in which one layer alone moves; none where all move in one
    std::vector<std::string> inputs;       // values that enter it
    std::string output;                    // where its loss attaches
    std::vector<std::string> binary;       // the values that it computes as bits, in order; each has a scale
    double scale_momentum = 0;
    std::string scores;             // output of the step by which the block predicts
    std::vector<std::string> kept;  // what the step reads of its method's, such as a stored head: #ROLE; BLOCK#ROLE in the state
    RateRecord rate;
    bool is_classifier = false;
    std::vector<LayerRecord> layers;

    std::vector<std::string> steps() const { return layer_steps.empty() ? std::vector<std::string>{step} : layer_steps; }
};

// A model file: its size and SHA-256.
struct FileRecord {
    std::size_t nbytes = 0;
    std::string sha256;
};

// Where a parameter lies in the trained model, little-endian.
struct ParameterRecord {
    std::string name;
    std::size_t offset = 0, nbytes = 0;
};

// What is minimized: what a label is (a class, probabilities or numbers), and how scores predict (largest, sign or value).
struct LossRecord {
    std::string name, labels, prediction;
};

// What it keeps: tensors like each parameter, numbers of a parameter's slice, and whether it counts the steps of each slice.
struct OptimizerRecord {
    std::vector<std::string> states, scalars;
    bool counts_steps = false;
};

struct Manifest {
    std::string model, input, score, schedule, block_output, order;
    LossRecord loss;
    OptimizerRecord optimizer;
    Shape input_shape;  // at batch 1
    std::size_t num_outputs = 0;
    std::size_t batch = 0;
    std::size_t peak_bytes = 0;
    std::size_t budget_bytes = 0;     // that it was planned for; 0 where it is a device's that runs generated C
    std::size_t rows = 0;             // samples that a forward pass takes at once
    bool needs_kernels = false;       // the plan counts on the library of kernels
    std::vector<std::string> stages;  // paths of the forward pass; empty where there is nothing to compute
    std::vector<BlockRecord> blocks;
    std::map<std::string, std::string> next_of;  // outputs of steps that are next values, with what they are the next value of
    std::vector<ParameterRecord> parameters;     // of the trained model, by rising offset
    std::map<std::string, FileRecord> files;
    std::string id;  // tells artifacts apart

    bool has_labels() const { return loss.labels == "class"; }  // else labels are vectors
    // Labels that a sample is predicted: its class, 0 or 1 of each output, or none where the scores are what is predicted.
    std::size_t labels_per_sample() const {
        return loss.prediction == "largest" ? 1 : loss.prediction == "sign" ? num_outputs : 0;
    }
    bool has_scaled_inputs() const { return block_output == "scaled"; }
};

namespace detail {

inline FileRecord read_file(RecordReader& reader) {
    const FileRecord file = {reader.size("bytes"), reader.text("sha256")};
    if (file.sha256.size() != 64 || file.sha256.find_first_not_of("0123456789abcdef") != std::string::npos) {
        throw reader.refused("has no size and SHA-256");
    }
    return file;
}

// The model's data input: this trainer takes one, of real numbers.
inline Shape read_input(RecordReader& reader, std::string& name) {
    name = reader.text("name");
    const std::string dtype = reader.text("dtype");
    const Shape shape = reader.integers("shape", 1);
    if (dtype != "float32") {
        throw reader.refused("is " + dtype + ", which needs Python's trainer: tinyfoa-rt train");
    }
    if (shape.empty() || !count_elements(shape, Dtype::float64)) {
        throw reader.refused("has a shape that is empty or too large");
    }
    return shape;
}

inline LossRecord read_loss(RecordReader& reader) {
    const LossRecord loss = {reader.text("name"), reader.choice("labels", {"class", "probabilities", "numbers"}),
                             reader.choice("prediction", {"largest", "sign", "value"})};
    if ((loss.labels == "class") != (loss.prediction == "largest")) {
        throw reader.refused("predicts something other than its labels are");
    }
    return loss;
}

inline LayerRecord read_layer(RecordReader& reader) {
    LayerRecord layer;
    layer.name = reader.text("name");
    layer.kind = reader.choice("kind", {"dense", "bias", "conv", "local"});
    layer.shape = reader.integers("shape", 1);
    layer.ins = reader.integers("ins");
    layer.outs = reader.integers("outs");
    layer.turns = reader.integer("turns", 1);
    layer.has_bias = reader.boolean("has_bias");
    layer.is_binary = reader.boolean("is_binary");
    for (const std::vector<std::int64_t>& bounds : {layer.ins, layer.outs}) {
        const bool is_rising = std::adjacent_find(bounds.begin(), bounds.end(), std::greater_equal<>()) == bounds.end();
        if (bounds.size() < 2 || bounds[0] != 0 || !is_rising) {
            throw reader.refused("slices have the bounds " + to_text(bounds));
        }
    }
    if (static_cast<std::size_t>(layer.turns) > (layer.ins.size() - 1) * (layer.outs.size() - 1)) {
        throw reader.refused("more of its slices take turns than there are");
    }
    const std::size_t rank = layer.kind == "dense" || layer.kind == "bias" ? 2 : layer.kind == "conv" ? 3 : 4;
    if (layer.shape.size() != rank || layer.shape[rank - 2] != layer.ins.back() || layer.shape[rank - 1] != layer.outs.back()) {
        throw reader.refused("is " + layer.kind + " of the shape " + to_text(layer.shape));
    }
    return layer;
}

inline RateRecord read_rate(RecordReader& reader) {
    RateRecord rate;
    rate.boost = reader.number("boost");
    rate.numerator = reader.number_or_null("numerator");
    rate.fan_in = static_cast<double>(reader.integer("fan_in", 1));
    rate.least_power = reader.number("least_power");
    rate.most = reader.number_or_null("most");
    if (!(rate.least_power > 0)) {
        throw reader.refused("has a least power of 0");
    }
    return rate;
}

inline BlockRecord read_block(RecordReader& reader) {
    BlockRecord block;
    block.name = reader.text("name");
    block.step = reader.text("step");
    block.layer_steps = reader.texts("layer_steps");
    reader.ignore({"slices_per_step"});
    if (!reader.text("slice_step").empty()) {
        throw reader.refused("moves several slices a step, which needs Python's trainer: tinyfoa-rt train");
    }
    for (const std::string& path : block.steps()) {
        check_model_path(reader.place(), path);
    }
    block.inputs = reader.texts("inputs");
    block.output = reader.text("output");
    block.binary = reader.texts("binary");
    block.scale_momentum = reader.number("scale_momentum");
    const bool keeps_statistics = !reader.texts("statistics").empty();
    reader.list("statistics_momentum");
    block.scores = reader.text("scores");
    block.kept = reader.texts("kept");
    block.rate = reader.record("rate", read_rate);
    block.is_classifier = reader.boolean("is_classifier");
    block.layers = reader.records("layers", read_layer);
    if (block.layers.empty() || block.inputs.empty()) {
        throw reader.refused("has no layers or no inputs");
    }
    if (!block.layer_steps.empty() && (block.layer_steps.size() != block.layers.size() || block.layer_steps[0] != block.step)) {
        throw reader.refused("does not have a step for each layer");
    }
    if (block.scores.empty()) {
        throw reader.refused("is trained without scores, which needs Python's trainer: tinyfoa-rt train");
    }
    if (keeps_statistics) {
        throw reader.refused("normalizes batches, which needs Python's trainer: tinyfoa-rt train");
    }
    if (!block.binary.empty() && !(block.scale_momentum >= 0 && block.scale_momentum < 1)) {
        throw reader.refused("scale_momentum is not between 0 and 1");
    }
    return block;
}

// Of a tensor its name, and what it is the next value of.
inline std::pair<std::string, std::string> read_tensor(RecordReader& reader) {
    reader.ignore({"role", "owner"});
    return {reader.text("name"), reader.text("next_of")};
}

inline ParameterRecord read_parameter(RecordReader& reader) {
    return {reader.text("name"), reader.size("offset"), reader.size("nbytes")};
}

// Parts that must fit each other.
inline void check_manifest(const std::string& place, const Manifest& manifest) {
    for (const std::string& path : manifest.stages) {
        if (!path.empty()) {
            check_model_path(place, path);
        }
    }
    if (manifest.blocks.empty() || manifest.stages.size() != manifest.blocks.size() + 1) {
        throw input_error(place + ", blocks", "and stages do not fit together", build_again);
    }
    const auto model = manifest.files.find(inference_model);
    const std::size_t end = model == manifest.files.end() ? 0 : model->second.nbytes;
    std::size_t at = 0;
    for (const ParameterRecord& each : manifest.parameters) {
        if (each.offset < at || each.offset > end || each.nbytes > end - each.offset) {
            throw input_error(place + ", parameters", "do not lie in inference.onnx one behind the other", build_again);
        }
        at = each.offset + each.nbytes;
    }
}

}  // namespace detail

// Return the manifest in the text of a JSON object; `place` is what messages begin with.
inline Manifest parse_manifest(const std::string& place, const std::string& text) {
    constexpr const char* version = "tinyfoa-artifact/5";
    const Json content = parse_object(text);
    const Json* format = content.find("format");
    if (format == nullptr || !format->is(Json::Type::string) || format->text() != version) {
        throw input_error(place + ", format", "is not '" + std::string(version) + "'", detail::build_again);
    }
    RecordReader reader(place, content);
    reader.ignore({"format", "output", "binarize", "activation_bits", "frozen_blocks"});
    Manifest manifest;
    manifest.files = reader.table("files", detail::read_file);
    for (const auto& [path, file] : manifest.files) {
        detail::check_path(place + ", files", path);
    }
    manifest.model = reader.text("model");
    const std::vector<Shape> inputs =
        reader.records("inputs", [&](RecordReader& input) { return detail::read_input(input, manifest.input); });
    if (inputs.size() != 1) {
        throw reader.refused("has " + std::to_string(inputs.size()) + " inputs, which needs Python's trainer: tinyfoa-rt train");
    }
    manifest.input_shape = inputs[0];
    manifest.score = reader.text("score");
    manifest.num_outputs = reader.size("num_outputs", 1);
    manifest.loss = reader.record("loss", detail::read_loss);
    manifest.batch = reader.size("batch", 1);
    manifest.optimizer = reader.record("optimizer", [](RecordReader& optimizer) -> OptimizerRecord {
        optimizer.ignore({"name"});
        return {optimizer.texts("states"), optimizer.texts("scalars"), optimizer.boolean("counts_steps")};
    });
    manifest.schedule = reader.choice("schedule", {"slice", "freeze-diagonal", "full"});
    manifest.block_output = reader.choice("block_output", {"bits", "scaled"});
    manifest.order = reader.choice("order", {"layerwise", "interleaved"});
    manifest.peak_bytes = reader.size("peak_bytes");
    manifest.budget_bytes = reader.size("budget_bytes");
    manifest.rows = reader.size("rows", 1);
    manifest.needs_kernels = reader.boolean("needs_kernels");
    manifest.stages = reader.texts("stages");
    manifest.blocks = reader.records("blocks", detail::read_block);
    for (const auto& [name, source] : reader.records("tensors", detail::read_tensor)) {
        if (!source.empty()) {
            manifest.next_of[name] = source;
        }
    }
    manifest.parameters = reader.records("parameters", detail::read_parameter);
    reader.finish();
    detail::check_manifest(place, manifest);
    Sha256 hash;
    hash.update(text.data(), text.size());
    manifest.id = hash.hex_digest();
    return manifest;
}

}  // namespace tinyfoa
