// SPDX-License-Identifier: Apache-2.0
// The paths that files of an artifact may have: a manifest from outside must not name any other file of the user's. They are
// those of tinyfoa_rt/artifact/paths.py.
#pragma once

#include <algorithm>
#include <iterator>
#include <string>

#include "tinyfoa_ort/error.hpp"

namespace tinyfoa {
namespace detail {

inline constexpr const char* build_again = "build the artifact again";
inline constexpr const char* initial_name = "initial.safetensors";
inline constexpr const char* packed_folder = "packed/";
inline constexpr const char* inference_model = "inference.onnx";
inline constexpr const char* source_model = "source/model.onnx";

inline bool starts_with(const std::string& text, const std::string& start) { return text.compare(0, start.size(), start) == 0; }

inline bool ends_with(const std::string& text, const std::string& end) {
    return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// Whether a path is that of a step or a stage, in its form that is not packed: steps/12.onnx, forward/0.ort.
inline bool is_model_path(const std::string& path) {
    const std::size_t slash = path.find('/'), dot = path.rfind('.');
    if (slash == std::string::npos || dot == std::string::npos || dot <= slash + 1) {
        return false;
    }
    const std::string folder = path.substr(0, slash), number = path.substr(slash + 1, dot - slash - 1), ending = path.substr(dot);
    return (folder == "steps" || folder == "forward") && (ending == ".onnx" || ending == ".ort") && number.size() <= 9 &&
           number.find_first_not_of("0123456789") == std::string::npos && (number[0] != '0' || number == "0");
}

inline void check_model_path(const std::string& place, const std::string& path) {
    if (!is_model_path(path)) {
        throw input_error(place + ", '" + path.substr(0, 48) + "'", "is no path of a step or a stage", build_again);
    }
}

// Refuse a path that the manifest must not list.
inline void check_path(const std::string& place, const std::string& path) {
    static constexpr const char* others[] = {initial_name, inference_model, source_model, "plan.json"};
    const std::string plain = starts_with(path, packed_folder) ? path.substr(std::string(packed_folder).size()) : path;
    if (!is_model_path(plain) && std::find(std::begin(others), std::end(others), path) == std::end(others)) {
        throw input_error(place + ", '" + path.substr(0, 48) + "'", "is no path of a file in an artifact", build_again);
    }
}

}  // namespace detail
}  // namespace tinyfoa
