// SPDX-License-Identifier: Apache-2.0
// An onnxruntime session: its inputs and outputs are bound to the caller's memory, so that a run copies no tensor.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "tinyfoa_ort/error.hpp"
#include "tinyfoa_ort/json.hpp"
#include "tinyfoa_ort/kernels.hpp"
#include "tinyfoa_ort/options.hpp"
#include "tinyfoa_ort/value.hpp"

namespace tinyfoa {

namespace detail {

// Sizes as a model's metadata has them, such as 16,3,32,32; none where it is something else.
inline Shape parse_sizes(const std::string& text) {
    Shape sizes;
    std::istringstream stream(text);
    for (std::string part; std::getline(stream, part, ',');) {
        const std::optional<std::int64_t> size = Json::literal(Json::Type::integer, part).as_integer();
        if (!size || *size < 1) {
            return {};
        }
        sizes.push_back(*size);
    }
    return sizes;
}

}  // namespace detail

// An input or output of a model.
struct Port {
    std::string name;
    TensorType type;
    std::size_t bits = 0;  // of a row, where the value is packed
    bool is_bound = false;
};

class Session {
public:
    // `kernels`: nothing for function bodies.
    Session(const std::string& place, const std::string& model, const Options& options, std::shared_ptr<const Kernels> kernels)
        : place_(place), environment_(Environment::get()), kernels_(std::move(kernels)), memory_(cpu_memory()),
          session_(create(model, options), ort().ReleaseSession), binding_(bind_to(session_.get()), ort().ReleaseIoBinding) {
        inputs_ = read_ports(true);
        outputs_ = read_ports(false);
        if (options.budget_bytes > 0) {
            check_allocator();
        }
    }

    // In the model's order.
    const std::vector<Port>& inputs() const { return inputs_; }
    const std::vector<Port>& outputs() const { return outputs_; }

    // The input of a name, nothing where there is none.
    const Port* input(const std::string& name) const {
        const auto found = std::find_if(inputs_.begin(), inputs_.end(), [&](const Port& port) { return port.name == name; });
        return found == inputs_.end() ? nullptr : &*found;
    }

    // Bind all inputs and outputs that are among `tensors`; an output that `next_of` calls the next value of one goes where it
    // is.
    void bind(const TensorRefs& tensors, const std::map<std::string, std::string>& next_of) {
        for (Port& port : inputs_) {
            const auto found = tensors.find(port.name);
            if (found != tensors.end()) {
                const Value value = as_value(port, found->second, const_cast<void*>(found->second.read));
                check(ort().BindInput(binding_.get(), port.name.c_str(), value.get()), place_);
                port.is_bound = true;
            }
        }
        for (Port& port : outputs_) {
            const auto source = next_of.find(port.name);
            const auto found = tensors.find(source == next_of.end() ? port.name : source->second);
            if (found != tensors.end()) {
                if (found->second.write == nullptr) {
                    throw input_error(place_ + ", '" + port.name + "'", "is written, but only read by design",
                                      "build the artifact again");
                }
                const Value value = as_value(port, in_blocks(port, found->second), found->second.write);
                check(ort().BindOutput(binding_.get(), port.name.c_str(), value.get()), place_);
                port.is_bound = true;
            }
        }
    }

    // Run once, from bound inputs into bound outputs.
    void run() {
        const auto is_bound = [](const Port& port) { return port.is_bound; };
        if (!std::all_of(inputs_.begin(), inputs_.end(), is_bound) || !std::all_of(outputs_.begin(), outputs_.end(), is_bound)) {
            throw input_error(place_, "has an input or output that the manifest does not explain", "build the artifact again");
        }
        check(ort().RunWithBinding(session_.get(), nullptr, binding_.get()), place_);
    }

    // Run on `feeds` and return new tensors: for shapes that change from call to call.
    std::map<std::string, Value> call(const TensorRefs& feeds) {
        std::vector<Value> given;
        std::vector<const OrtValue*> inputs;
        std::vector<const char*> names, results;
        for (const Port& port : inputs_) {
            const auto found = feeds.find(port.name);
            if (found == feeds.end()) {
                throw input_error(place_, "reads '" + port.name + "', which the manifest does not explain",
                                  "build the artifact again");
            }
            given.push_back(as_value(port, found->second, const_cast<void*>(found->second.read)));
            names.push_back(port.name.c_str());
        }
        for (const Value& value : given) {
            inputs.push_back(value.get());
        }
        for (const Port& port : outputs_) {
            results.push_back(port.name.c_str());
        }
        std::vector<OrtValue*> outputs(results.size(), nullptr);
        check(ort().Run(session_.get(), nullptr, names.data(), inputs.data(), inputs.size(), results.data(), results.size(),
                        outputs.data()),
              place_);
        std::map<std::string, Value> found;
        for (std::size_t i = 0; i < outputs.size(); ++i) {
            found.emplace(outputs_[i].name, Value(outputs[i]));
        }
        return found;
    }

private:
    OrtSession* create(const std::string& model, const Options& options) {
        OrtSessionOptions* raw = nullptr;
        check(ort().CreateSessionOptions(&raw));
        const Owned<OrtSessionOptions> owned(raw, ort().ReleaseSessionOptions);
        // The arena keeps what it once took, and a pattern packs worse than freeing: both would break the plan.
        check(ort().DisableCpuMemArena(raw));
        check(ort().DisableMemPattern(raw));
        // What runs is then what was emitted, node by node, which the plan has counted.
        check(ort().SetSessionGraphOptimizationLevel(raw, ORT_DISABLE_ALL));
        // A failed run is a status; onnxruntime would print it too.
        check(ort().SetSessionLogSeverityLevel(raw, ORT_LOGGING_LEVEL_FATAL));
        if (options.threads > 0) {
            check(ort().SetIntraOpNumThreads(raw, options.threads));
        }
        // Weights change, so a packed copy would be stale; it would also double them.
        check(ort().AddSessionConfigEntry(raw, "session.disable_prepacking", "1"));
        if (options.budget_bytes > 0) {
            environment_->count_allocations();
            check(ort().AddSessionConfigEntry(raw, "session.use_env_allocators", "1"));
        }
        if (kernels_) {
            kernels_->add_to(raw);
        }
        OrtSession* session = nullptr;
        check(ort().CreateSessionFromArray(environment_->get_env(), model.data(), model.size(), raw, &session), place_);
        return session;
    }

    static OrtIoBinding* bind_to(OrtSession* session) {
        OrtIoBinding* binding = nullptr;
        check(ort().CreateIoBinding(session, &binding));
        return binding;
    }

    static OrtAllocator* default_allocator() {
        OrtAllocator* allocator = nullptr;
        check(ort().GetAllocatorWithDefaultOptions(&allocator));
        return allocator;
    }

    // A text that onnxruntime has allocated, which is freed; empty where there is none.
    static std::string take(char* text) {
        const std::string found = text == nullptr ? "" : text;
        check(text == nullptr ? nullptr : ort().AllocatorFree(default_allocator(), text));
        return found;
    }

    std::vector<Port> read_ports(bool is_input) const {
        std::size_t count = 0;
        check((is_input ? ort().SessionGetInputCount : ort().SessionGetOutputCount)(session_.get(), &count));
        std::vector<Port> ports(count);
        for (std::size_t i = 0; i < count; ++i) {
            const auto get_name = is_input ? ort().SessionGetInputName : ort().SessionGetOutputName;
            char* text = nullptr;
            check(get_name(session_.get(), i, default_allocator(), &text));
            ports[i].name = take(text);
            OrtTypeInfo* info = nullptr;
            check((is_input ? ort().SessionGetInputTypeInfo : ort().SessionGetOutputTypeInfo)(session_.get(), i, &info));
            const Owned<OrtTypeInfo> owned(info, ort().ReleaseTypeInfo);
            const OrtTensorTypeAndShapeInfo* tensor = nullptr;
            check(ort().CastTypeInfoToTensorInfo(info, &tensor));
            if (tensor == nullptr) {
                throw input_error(place_, "'" + ports[i].name + "' is no tensor", "build the artifact again");
            }
            ports[i].type = detail::type_of(tensor, place_ + ", '" + ports[i].name + "'");
            read_metadata(ports[i]);
        }
        return ports;
    }

    // What the model says beside the types: bits in a row, and sizes that are left open there so that onnxruntime does not let
    // tensors take over each other's memory (tinyfoa_rt/emit/open_sizes.py).
    void read_metadata(Port& port) const {
        OrtModelMetadata* metadata = nullptr;
        check(ort().SessionGetModelMetadata(session_.get(), &metadata));
        const Owned<OrtModelMetadata> owned(metadata, ort().ReleaseModelMetadata);
        const auto find = [&](const std::string& key) {
            char* text = nullptr;
            check(ort().ModelMetadataLookupCustomMetadataMap(metadata, default_allocator(), (key + port.name).c_str(), &text));
            return detail::parse_sizes(take(text));
        };
        const Shape bits = find("tinyfoa.bits."), sizes = find("tinyfoa.sizes.");
        port.bits = bits.size() == 1 ? static_cast<std::size_t>(bits[0]) : 0;
        if (port.type.accepts(port.type.dtype, sizes)) {
            port.type.shape = sizes;
        }
    }

    // Another allocator may be registered with the application's environment: then nothing would be counted.
    void check_allocator() const {
        OrtAllocator* allocator = nullptr;
        check(ort().CreateAllocator(session_.get(), memory_.get(), &allocator));
        const Owned<OrtAllocator> owned(allocator, ort().ReleaseAllocator);
        Account account;
        {
            const CountingAllocator::Charge charge(account);
            void* block = nullptr;
            check(ort().AllocatorAlloc(allocator, 1, &block));
            check(ort().AllocatorFree(allocator, block));
        }
        if (account.peak() == 0) {
            throw Error(Status::runtime, "budget",
                        "the application has registered another allocator with onnxruntime's environment",
                        "open the trainer before, or without a budget (no_budget)");
        }
    }

    // A matrix as blocks of its rows, where the model writes it so (tinyfoa_rt/emit/row_blocks.py).
    static TensorRef in_blocks(const Port& port, TensorRef tensor) {
        const Shape& shape = port.type.shape;
        const bool is_split = shape.size() == 3 && tensor.shape.size() == 2 && shape[0] > 0 && shape[1] > 0;
        if (is_split && shape[0] * shape[1] == tensor.shape[0] && shape[2] == tensor.shape[1]) {
            tensor.shape = shape;
        }
        return tensor;
    }

    // The caller's tensor at `data` as the model takes it.
    Value as_value(const Port& port, const TensorRef& tensor, void* data) const {
        if (!port.type.accepts(tensor.dtype, tensor.shape)) {
            const std::string found = std::string(name_of(tensor.dtype)) + to_text(tensor.shape);
            const std::string expected = std::string(name_of(port.type.dtype)) + to_text(port.type.shape);
            throw input_error(place_ + ", '" + port.name + "'", "is " + expected + ", the state has " + found,
                              "build the artifact again");
        }
        return Value(memory_.get(), tensor.dtype, tensor.shape, data);
    }

    std::string place_;
    std::shared_ptr<Environment> environment_;
    std::shared_ptr<const Kernels> kernels_;  // sessions end before the library does
    Owned<OrtMemoryInfo> memory_;
    Owned<OrtSession> session_;
    Owned<OrtIoBinding> binding_;
    std::vector<Port> inputs_, outputs_;
};

}  // namespace tinyfoa
