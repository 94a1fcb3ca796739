// SPDX-License-Identifier: Apache-2.0
// An onnxruntime session: its inputs and outputs are bound to the caller's memory, so that a run copies no tensor.
#pragma once

#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tinyfoa_ort/error.hpp"
#include "tinyfoa_ort/kernels.hpp"
#include "tinyfoa_ort/options.hpp"
#include "tinyfoa_ort/value.hpp"

namespace tinyfoa {

namespace detail {

// Sizes as a model's metadata has them, such as 16,3,32,32; none where it is something else.
inline Shape parse_sizes(const std::string& text) {
    Shape sizes;
    for (std::size_t at = 0; at < text.size();) {
        char* end = nullptr;
        const long long size = std::strtoll(text.c_str() + at, &end, 10);
        const auto stop = static_cast<std::size_t>(end - text.c_str());
        if (stop == at || size < 1 || (stop < text.size() && text[stop] != ',')) {
            return {};
        }
        sizes.push_back(size);
        at = stop + 1;
    }
    return sizes;
}

}  // namespace detail

class Session {
public:
    // `kernels`: nothing for function bodies.
    Session(const std::string& place, const std::string& model, const Options& options, std::shared_ptr<const Kernels> kernels)
        : place_(place), environment_(Environment::get()), kernels_(std::move(kernels)), memory_(cpu_memory()),
          session_(create(model, options), ort().ReleaseSession), binding_(bind_to(session_.get()), ort().ReleaseIoBinding) {
        is_counted_ = options.budget_bytes > 0;
        read_names(true);
        read_names(false);
        read_metadata();
        if (is_counted_) {
            check_allocator();
        }
    }

    const std::string& place() const { return place_; }
    const std::vector<std::string>& input_names() const { return names_[1]; }
    const std::vector<std::string>& output_names() const { return names_[0]; }

    const TensorType* input(const std::string& name) const { return find(inputs_, name); }
    const TensorType* output(const std::string& name) const { return find(outputs_, name); }

    // How many bits a row of a packed value has; 0 where it has none.
    std::size_t bits(const std::string& name) const {
        const auto found = bits_.find(name);
        return found == bits_.end() ? 0 : found->second;
    }

    // Bind all inputs and outputs that are among `tensors`; an output that `next_of` calls the next value of one goes where it
    // is.
    void bind(const TensorRefs& tensors, const std::map<std::string, std::string>& next_of) {
        for (const std::string& name : input_names()) {
            const auto found = tensors.find(name);
            if (found != tensors.end()) {
                bind_input(name, found->second);
            }
        }
        for (const std::string& name : output_names()) {
            const auto source = next_of.find(name);
            const auto found = tensors.find(source == next_of.end() ? name : source->second);
            if (found != tensors.end()) {
                bind_output(name, found->second);
            }
        }
    }

    // Run once, from bound inputs into bound outputs.
    void run() {
        if (bound_.size() != input_names().size() + output_names().size()) {
            throw input_error(place_, "has an input or output that the manifest does not explain", "build the artifact again");
        }
        check(ort().RunWithBinding(session_.get(), nullptr, binding_.get()), place_);
    }

    // Run on `feeds` and return new tensors: for shapes that change from call to call.
    std::map<std::string, Value> call(const TensorRefs& feeds) {
        std::vector<Value> given;
        std::vector<const OrtValue*> inputs;
        std::vector<const char*> names, results;
        for (const std::string& name : input_names()) {
            const TensorRef& tensor = checked(name, inputs_, feeds);
            given.emplace_back(memory_.get(), tensor.dtype, tensor.shape, const_cast<void*>(tensor.read));
            names.push_back(name.c_str());
        }
        for (const Value& value : given) {
            inputs.push_back(value.get());
        }
        for (const std::string& name : output_names()) {
            results.push_back(name.c_str());
        }
        std::vector<OrtValue*> outputs(results.size(), nullptr);
        check(ort().Run(session_.get(), nullptr, names.data(), inputs.data(), inputs.size(), results.data(), results.size(),
                        outputs.data()),
              place_);
        std::map<std::string, Value> found;
        for (std::size_t i = 0; i < outputs.size(); ++i) {
            found.emplace(output_names()[i], Value(outputs[i]));
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

    void read_names(bool is_input) {
        OrtAllocator* allocator = nullptr;
        check(ort().GetAllocatorWithDefaultOptions(&allocator));
        std::size_t count = 0;
        check((is_input ? ort().SessionGetInputCount : ort().SessionGetOutputCount)(session_.get(), &count));
        for (std::size_t i = 0; i < count; ++i) {
            char* text = nullptr;
            check((is_input ? ort().SessionGetInputName : ort().SessionGetOutputName)(session_.get(), i, allocator, &text));
            const std::string name = text;
            check(ort().AllocatorFree(allocator, text));
            OrtTypeInfo* info = nullptr;
            check((is_input ? ort().SessionGetInputTypeInfo : ort().SessionGetOutputTypeInfo)(session_.get(), i, &info));
            const Owned<OrtTypeInfo> owned(info, ort().ReleaseTypeInfo);
            const OrtTensorTypeAndShapeInfo* tensor = nullptr;
            check(ort().CastTypeInfoToTensorInfo(info, &tensor));
            if (tensor == nullptr) {
                throw input_error(place_, "'" + name + "' is no tensor", "build the artifact again");
            }
            (is_input ? inputs_ : outputs_).emplace(name, detail::type_of(tensor, place_ + ", '" + name + "'"));
            names_[is_input].push_back(name);
        }
    }

    // What the model says of inputs and outputs beside their types: bits in a row, and sizes that are left open there so that
    // onnxruntime does not let tensors take over each other's memory (tinyfoa_rt/emit/open_sizes.py).
    void read_metadata() {
        OrtModelMetadata* metadata = nullptr;
        check(ort().SessionGetModelMetadata(session_.get(), &metadata));
        const Owned<OrtModelMetadata> owned(metadata, ort().ReleaseModelMetadata);
        OrtAllocator* allocator = nullptr;
        check(ort().GetAllocatorWithDefaultOptions(&allocator));
        const auto find = [&](const std::string& key) {
            char* text = nullptr;
            check(ort().ModelMetadataLookupCustomMetadataMap(metadata, allocator, key.c_str(), &text));
            if (text == nullptr) {
                return std::string();
            }
            const std::string found = text;
            check(ort().AllocatorFree(allocator, text));
            return found;
        };
        for (std::map<std::string, TensorType>* types : {&inputs_, &outputs_}) {
            for (auto& [name, type] : *types) {
                const Shape bits = detail::parse_sizes(find("tinyfoa.bits." + name));
                const Shape sizes = detail::parse_sizes(find("tinyfoa.sizes." + name));
                bits_[name] = bits.size() == 1 ? static_cast<std::size_t>(bits[0]) : 0;
                if (sizes.size() == type.shape.size() && type.accepts(type.dtype, sizes)) {
                    type.shape = sizes;
                }
            }
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

    static const TensorType* find(const std::map<std::string, TensorType>& types, const std::string& name) {
        const auto found = types.find(name);
        return found == types.end() ? nullptr : &found->second;
    }

    const TensorRef& checked(const std::string& name, const std::map<std::string, TensorType>& types, const TensorRefs& tensors) {
        const auto found = tensors.find(name);
        if (found == tensors.end()) {
            throw input_error(place_, "reads '" + name + "', which the manifest does not explain", "build the artifact again");
        }
        check_type(name, types.at(name), found->second);
        return found->second;
    }

    void check_type(const std::string& name, const TensorType& type, const TensorRef& tensor) const {
        if (!type.accepts(tensor.dtype, tensor.shape)) {
            const std::string found = std::string(name_of(tensor.dtype)) + to_text(tensor.shape);
            const std::string expected = std::string(name_of(type.dtype)) + to_text(type.shape);
            throw input_error(place_ + ", '" + name + "'", "is " + expected + ", the state has " + found,
                              "build the artifact again");
        }
    }

    void bind_input(const std::string& name, const TensorRef& tensor) {
        check_type(name, inputs_.at(name), tensor);
        const Value value(memory_.get(), tensor.dtype, tensor.shape, const_cast<void*>(tensor.read));
        check(ort().BindInput(binding_.get(), name.c_str(), value.get()), place_);
        bound_["input " + name] = true;
    }

    void bind_output(const std::string& name, const TensorRef& tensor) {
        check_type(name, outputs_.at(name), tensor);
        if (tensor.write == nullptr) {
            throw input_error(place_ + ", '" + name + "'", "is written, but only read by design", "build the artifact again");
        }
        const Value value(memory_.get(), tensor.dtype, tensor.shape, tensor.write);
        check(ort().BindOutput(binding_.get(), name.c_str(), value.get()), place_);
        bound_["output " + name] = true;
    }

    std::string place_;
    std::shared_ptr<Environment> environment_;
    std::shared_ptr<const Kernels> kernels_;  // sessions end before the library does
    Owned<OrtMemoryInfo> memory_;
    Owned<OrtSession> session_;
    Owned<OrtIoBinding> binding_;
    std::map<std::string, TensorType> inputs_, outputs_;
    std::vector<std::string> names_[2];  // of outputs, of inputs
    std::map<std::string, std::size_t> bits_;
    std::map<std::string, bool> bound_;
    bool is_counted_ = false;
};

}  // namespace tinyfoa
