// SPDX-License-Identifier: Apache-2.0
// The manifest of an artifact; everything in it is checked here, once. The fields are those of tinyfoa_rt/artifact/records.py.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "tinyfoa_ort/artifact_paths.hpp"
#include "tinyfoa_ort/error.hpp"
#include "tinyfoa_ort/json_read.hpp"
#include "tinyfoa_ort/json_write.hpp"
#include "tinyfoa_ort/record_reader.hpp"
#include "tinyfoa_ort/sha256.hpp"
#include "tinyfoa_ort/tensor.hpp"

namespace tinyfoa {

struct LayerRecord {
    std::string name;
    std::string kind;  // dense, conv or local
    std::int64_t fan_in = 0;
    std::vector<std::int64_t> ins;   // bounds of its slices along the inputs
    std::vector<std::int64_t> outs;  // and along the outputs
    bool is_binary = true;
    std::int64_t positions = 1;  // places with an error of their own at which a weight is used
};

struct BlockRecord {
    std::string name;
    std::string step;                 // path of its training step
    std::vector<std::string> inputs;  // values that enter it
    std::string output;               // where its loss attaches
    std::string scale;                // tensor of the output's scale; empty where the output is real
    double scale_momentum = 0;
    std::string scores;             // output of the step by which the block predicts
    std::vector<std::string> kept;  // what the step reads of its method's, such as a stored head: #ROLE; BLOCK#ROLE in the state
    std::int64_t units = 0;         // numbers that share the error; 0 where it is the model's own loss's
    std::int64_t unit_positions = 1;  // positions of the output that each of them is the mean of
    bool is_classifier = false;
    std::vector<LayerRecord> layers;
};

// A model file: its size and SHA-256.
struct FileRecord {
    std::int64_t nbytes = 0;
    std::string sha256;
};

// Where a parameter lies in the trained model, little-endian.
struct ParameterRecord {
    std::string name;
    std::int64_t offset = 0, nbytes = 0;
};

struct Manifest {
    std::string model, input, output, score, loss, optimizer, schedule, binarize, block_output, order;
    Shape input_shape;  // at batch 1
    std::int64_t num_outputs = 0;
    std::int64_t batch = 0;
    std::int64_t peak_bytes = 0;
    std::int64_t budget_bytes = 0;  // that it was planned for; 0 where it is a device's that runs generated C
    std::int64_t rows = 0;          // samples that a forward pass takes at once
    bool needs_kernels = false;     // the plan counts on the library of kernels
    std::int64_t frozen_blocks = 0;
    std::vector<std::string> stages;  // paths of the forward pass; empty where there is nothing to compute
    std::vector<BlockRecord> blocks;
    std::map<std::string, std::string> next_of;  // outputs of steps that are next values, with what they are the next value of
    std::vector<ParameterRecord> parameters;     // of the trained model, by rising offset
    std::map<std::string, FileRecord> files;
    std::string id;  // tells artifacts apart

    bool is_classification() const { return loss == "cross-entropy"; }  // targets are labels, else numbers
    bool is_regression() const { return loss == "mean-squared-error"; }
    bool has_scaled_inputs() const { return block_output == "scaled"; }
};

namespace detail {

inline std::map<std::string, FileRecord> read_files(const std::string& place, const Json* content) {
    if (content == nullptr || !content->is(Json::Type::object)) {
        throw input_error(place, "is not a table of files", build_again);
    }
    std::map<std::string, FileRecord> files;
    for (const Json::Member& member : content->members()) {
        check_path(place, member.first);
        const Json *nbytes = member.second.find("bytes"), *digest = member.second.find("sha256");
        const bool has_size = nbytes != nullptr && nbytes->as_integer().value_or(-1) >= 0;
        const bool has_digest = digest != nullptr && digest->is(Json::Type::string) && digest->text().size() == 64 &&
                                digest->text().find_first_not_of("0123456789abcdef") == std::string::npos;
        if (!has_size || !has_digest) {
            throw input_error(place + ", '" + member.first + "'", "has no size and SHA-256", build_again);
        }
        files[member.first] = {*nbytes->as_integer(), digest->text()};
    }
    return files;
}

// The model's data input: this trainer takes one, of real numbers.
inline void read_inputs(const std::string& place, const std::vector<Json>& inputs, Manifest& manifest) {
    const std::string python = "train it with tinyfoa-rt train";
    if (inputs.size() != 1) {
        throw input_error(place, "are " + std::to_string(inputs.size()) + ", which needs Python's trainer", python);
    }
    RecordReader reader(place + "[0]", inputs[0]);
    manifest.input = reader.text("name");
    const std::string dtype = reader.text("dtype");
    manifest.input_shape = reader.integers("shape");
    reader.finish();
    if (dtype != "float32") {
        throw input_error(place, "are " + dtype + ", which needs Python's trainer", python);
    }
    for (const std::int64_t size : manifest.input_shape) {
        if (size < 1) {
            throw input_error(place, "have a size below 1", build_again);
        }
    }
    if (manifest.input_shape.empty() || !count_elements(manifest.input_shape, Dtype::float64)) {
        throw input_error(place, "have a shape that is empty or too large", build_again);
    }
}

inline LayerRecord read_layer(const std::string& place, const Json& content) {
    RecordReader reader(place, content);
    LayerRecord layer;
    layer.name = reader.text("name");
    layer.kind = reader.choice("kind", {"dense", "conv", "local"});
    layer.fan_in = reader.integer("fan_in", 1);
    layer.ins = reader.integers("ins");
    layer.outs = reader.integers("outs");
    layer.is_binary = reader.boolean("is_binary");
    layer.positions = reader.integer("positions", 1);
    reader.finish();
    for (const std::vector<std::int64_t>& bounds : {layer.ins, layer.outs}) {
        bool is_rising = bounds.size() >= 2 && bounds[0] == 0;
        for (std::size_t i = 1; i < bounds.size(); ++i) {
            is_rising = is_rising && bounds[i - 1] < bounds[i];
        }
        if (!is_rising) {
            throw input_error(place, "slices have the bounds " + to_text(bounds), build_again);
        }
    }
    if (layer.kind == "dense" ? layer.fan_in != layer.ins.back() : layer.fan_in % layer.ins.back() != 0) {
        throw input_error(place, "fan_in does not fit its inputs", build_again);
    }
    return layer;
}

inline BlockRecord read_block(const std::string& place, const Json& content) {
    RecordReader reader(place, content);
    BlockRecord block;
    block.name = reader.text("name");
    block.step = reader.text("step");
    check_model_path(place, block.step);
    block.inputs = reader.texts("inputs");
    block.output = reader.text("output");
    block.scale = reader.text("scale");
    block.scale_momentum = reader.number("scale_momentum");
    const bool keeps_statistics = !reader.texts("statistics").empty();
    reader.list("statistics_momentum");
    block.scores = reader.text("scores");
    block.kept = reader.texts("kept");
    block.units = reader.integer("units", 0);
    block.unit_positions = reader.integer("unit_positions", 1);
    block.is_classifier = reader.boolean("is_classifier");
    const std::vector<Json>& layers = reader.list("layers");
    for (std::size_t i = 0; i < layers.size(); ++i) {
        block.layers.push_back(read_layer(place + ", layers[" + std::to_string(i) + "]", layers[i]));
    }
    reader.finish();
    if (block.layers.empty() || block.inputs.empty()) {
        throw input_error(place, "has no layers or no inputs", build_again);
    }
    if (block.scores.empty()) {
        throw input_error(place, "is trained without scores, which needs Python's trainer", "train it with tinyfoa-rt train");
    }
    if (keeps_statistics) {
        throw input_error(place, "normalizes batches, which needs Python's trainer", "train it with tinyfoa-rt train");
    }
    if (!block.scale.empty() && !(block.scale_momentum >= 0 && block.scale_momentum < 1)) {
        throw input_error(place + ", scale_momentum", "is not between 0 and 1", build_again);
    }
    return block;
}

// The table of tensors: of each name its role, its owner, and what it is the next value of.
inline std::map<std::string, std::string> read_next_of(const std::string& place, const std::vector<Json>& tensors) {
    std::map<std::string, std::string> next_of;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
        RecordReader reader(place + "[" + std::to_string(i) + "]", tensors[i]);
        const std::string name = reader.text("name"), source = reader.text("next_of");
        reader.text("role");
        reader.text("owner");
        reader.finish();
        if (!source.empty()) {
            next_of[name] = source;
        }
    }
    return next_of;
}

inline std::vector<ParameterRecord> read_parameters(const std::string& place, const std::vector<Json>& content,
                                                    const std::map<std::string, FileRecord>& files) {
    const auto model = files.find(inference_model);
    std::int64_t at = 0;
    std::vector<ParameterRecord> parameters;
    for (std::size_t i = 0; i < content.size(); ++i) {
        RecordReader reader(place + "[" + std::to_string(i) + "]", content[i]);
        parameters.push_back({reader.text("name"), reader.integer("offset"), reader.integer("nbytes")});
        reader.finish();
        const ParameterRecord& found = parameters.back();
        const std::int64_t end = model == files.end() ? 0 : model->second.nbytes;
        if (found.offset < at || found.offset > end || found.nbytes > end - found.offset) {
            throw input_error(place, "do not lie in inference.onnx one behind the other", build_again);
        }
        at = found.offset + found.nbytes;
    }
    return parameters;
}

// Reals as Python writes them, integers where a real belongs included: the id is a hash of this text.
inline Json canonical(const Json& value, const std::string& key = "") {
    if (value.is(Json::Type::real) || (value.is(Json::Type::integer) && key == "scale_momentum")) {
        return Json::real(*value.as_number());
    }
    if (value.is(Json::Type::array)) {
        Json array = Json::array();
        for (const Json& item : value.items()) {
            array.add(canonical(item));
        }
        return array;
    }
    if (value.is(Json::Type::object)) {
        Json object = Json::object();
        for (const Json::Member& member : value.members()) {
            object.add(member.first, canonical(member.second, member.first));
        }
        return object;
    }
    return value;
}

inline std::string artifact_id(const Json& content, const std::map<std::string, FileRecord>& files) {
    Json fields = Json::object();
    for (const Json::Member& member : content.members()) {
        if (member.first != "files") {
            fields.add(member.first, canonical(member.second, member.first));
        }
    }
    JsonStyle style;
    style.sorts_keys = true;
    std::string text = to_text(fields, style);
    for (const auto& [path, record] : files) {
        text += path + record.sha256;
    }
    Sha256 hash;
    hash.update(text.data(), text.size());
    return hash.hex_digest();
}

}  // namespace detail

// Return the manifest in a JSON object; `place` is what messages begin with.
inline Manifest parse_manifest(const std::string& place, const Json& content) {
    const Json* format = content.find("format");
    if (format == nullptr || !format->is(Json::Type::string) || format->text() != "tinyfoa-artifact/3") {
        throw input_error(place + ", format", "is not 'tinyfoa-artifact/3'", detail::build_again);
    }
    RecordReader reader(place, content);
    Manifest manifest;
    reader.text("format");
    manifest.files = detail::read_files(place + ", files", reader.any("files"));
    manifest.model = reader.text("model");
    detail::read_inputs(place + ", inputs", reader.list("inputs"), manifest);
    manifest.output = reader.text("output");
    manifest.score = reader.text("score");
    manifest.num_outputs = reader.integer("num_outputs", 1);
    manifest.loss = reader.choice("loss", {"cross-entropy", "binary-cross-entropy", "mean-squared-error"});
    manifest.batch = reader.integer("batch", 1);
    manifest.optimizer = reader.choice("optimizer", {"sgd", "momentum", "adam"});
    manifest.schedule = reader.choice("schedule", {"slice", "freeze-diagonal", "full"});
    manifest.binarize = reader.choice("binarize", {"both", "weights", "none"});
    manifest.block_output = reader.choice("block_output", {"bits", "scaled"});
    manifest.order = reader.choice("order", {"layerwise", "interleaved"});
    manifest.peak_bytes = reader.integer("peak_bytes");
    manifest.budget_bytes = reader.integer("budget_bytes", 0);
    manifest.rows = reader.integer("rows", 1);
    manifest.needs_kernels = reader.boolean("needs_kernels");
    manifest.frozen_blocks = reader.integer("frozen_blocks");
    manifest.stages = reader.texts("stages");
    for (const std::string& path : manifest.stages) {
        if (!path.empty()) {
            detail::check_model_path(place, path);
        }
    }
    const std::vector<Json>& blocks = reader.list("blocks");
    for (std::size_t i = 0; i < blocks.size(); ++i) {
        manifest.blocks.push_back(detail::read_block(place + ", blocks[" + std::to_string(i) + "]", blocks[i]));
    }
    manifest.next_of = detail::read_next_of(place + ", tensors", reader.list("tensors"));
    for (const BlockRecord& block : manifest.blocks) {
        for (const auto& [next, source] : manifest.next_of) {
            if (std::count(block.kept.begin(), block.kept.end(), source) > 0) {
                throw input_error(place, "has a method that learns by itself, which needs Python's trainer",
                                  "train it with tinyfoa-rt train");
            }
        }
    }
    manifest.parameters = detail::read_parameters(place + ", parameters", reader.list("parameters"), manifest.files);
    reader.finish();
    if (manifest.blocks.empty() || manifest.stages.size() != manifest.blocks.size() + 1) {
        throw input_error(place + ", blocks", "and stages do not fit together", detail::build_again);
    }
    manifest.id = detail::artifact_id(content, manifest.files);
    return manifest;
}

}  // namespace tinyfoa
