// SPDX-License-Identifier: Apache-2.0
// The library of kernels, libtinyfoa_ops (docs/kernels.md): where it is found, and how sessions take it.
#pragma once

#include <dlfcn.h>

#include <memory>
#include <string>

#include "tinyfoa_ort/file.hpp"
#include "tinyfoa_ort/runtime.hpp"

namespace tinyfoa {

namespace detail {

inline constexpr const char* build_kernels = "build it again (make kernels), or use kernels \"none\"";

// A little-endian number in a file; 0 where it lies beyond the end.
inline std::uint64_t number_at(const std::string& content, std::uint64_t at, std::size_t nbytes) {
    std::uint64_t number = 0;
    if (at <= content.size() && content.size() - at >= nbytes) {
        std::memcpy(&number, content.data() + at, nbytes);
    }
    return number;
}

// Refuse an ELF file that ends before what its header says: the system's loader would end the process.
inline void check_whole(const std::string& place, const std::string& content) {
    if (content.compare(0, 5,
                        "\x7f"
                        "ELF\x02") != 0) {
        return;  // another kind of file, which the loader refuses by itself
    }
    constexpr std::uint64_t largest = std::uint64_t{1} << 40;  // of a sum that must not wrap around
    const std::uint64_t segments = number_at(content, 32, 8), sections = number_at(content, 40, 8);
    const std::uint64_t segment_size = number_at(content, 54, 2), num_segments = number_at(content, 56, 2);
    bool is_whole = content.size() >= 64 && segments < largest && sections < largest &&
                    sections + number_at(content, 58, 2) * number_at(content, 60, 2) <= content.size() &&
                    segments + segment_size * num_segments <= content.size();
    for (std::uint64_t i = 0; is_whole && i < num_segments; ++i) {
        const std::uint64_t start = number_at(content, segments + i * segment_size + 8, 8);
        const std::uint64_t nbytes = number_at(content, segments + i * segment_size + 32, 8);
        is_whole = start <= content.size() && nbytes <= content.size() - start;
    }
    if (!is_whole) {
        throw input_error(place, "are cut short", build_kernels);
    }
}

}  // namespace detail

class Kernels {
public:
#if defined(__APPLE__)
    static constexpr const char* library_name = "libtinyfoa_ops.dylib";
#else
    static constexpr const char* library_name = "libtinyfoa_ops.so";
#endif

    // The library that `wanted` names; nothing for function bodies. "auto" is the one that the system's loader finds by its name
    // (beside what the application links, say), where there is one and the artifact has a packed form.
    static std::shared_ptr<const Kernels> find(const std::string& wanted, bool has_packed_form, bool is_needed) {
        std::shared_ptr<const Kernels> found = find(wanted, has_packed_form);
        if (is_needed && found == nullptr) {
            throw usage_error("kernels", "are what the plan counts on, and are not used",
                              "name the library, or plan for ort-cpu");
        }
        return found;
    }

    static std::shared_ptr<const Kernels> find(const std::string& wanted, bool has_packed_form) {
        if (wanted == "auto") {
            void* library = has_packed_form ? ::dlopen(library_name, RTLD_NOW | RTLD_LOCAL) : nullptr;
            return library == nullptr ? nullptr : std::shared_ptr<const Kernels>(new Kernels(library_name, library));
        }
        if (wanted.empty() || wanted == "none") {
            return nullptr;
        }
        const std::string place = "kernels " + wanted;
        if (!has_packed_form) {
            throw usage_error(place, "can be used with dense layers only, and with artifacts of this version",
                              "use kernels \"none\", or build the artifact again");
        }
        const fs::path path = fs::absolute(wanted);  // a bare name would be looked for elsewhere
        InputFile file(path, detail::build_kernels);
        detail::check_whole(place, file.read_text(largest_library));
        void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
        if (library == nullptr) {
            throw input_error(place, std::string("cannot be loaded (") + ::dlerror() + ")", detail::build_kernels);
        }
        return std::shared_ptr<const Kernels>(new Kernels(place, library));
    }

    Kernels(const Kernels&) = delete;
    Kernels& operator=(const Kernels&) = delete;
    ~Kernels() { ::dlclose(library_); }

    // Let sessions of `options` use the library, which must live as long as they do.
    void add_to(OrtSessionOptions* options) const {
        using Register = OrtStatus*(ORT_API_CALL*)(OrtSessionOptions*, const OrtApiBase*);
        const auto add = reinterpret_cast<Register>(::dlsym(library_, "RegisterCustomOps"));
        if (add == nullptr) {
            throw input_error(place_, "are no library of operators for onnxruntime", detail::build_kernels);
        }
        check(add(options, OrtGetApiBase()), place_);
    }

private:
    static constexpr std::uint64_t largest_library = std::uint64_t{1} << 28;

    Kernels(const std::string& place, void* library) : place_(place), library_(library) {}

    std::string place_;
    void* library_;
};

}  // namespace tinyfoa
