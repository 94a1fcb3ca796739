// SPDX-License-Identifier: Apache-2.0
// The trained model, one ONNX file: training writes its parameters anew, whose places the manifest knows, and nothing else.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tinyfoa_ort/artifact.hpp"
#include "tinyfoa_ort/safetensors.hpp"

namespace tinyfoa {

// Write the artifact's trained model with these parameters; a tensor with NaN or Inf replaces nothing, and a power cut leaves the
// old file or the new one.
inline void write_inference(const fs::path& path, const Artifact& artifact, const std::vector<StoredTensor>& tensors) {
    std::map<std::string, const StoredTensor*> by_name;
    for (const StoredTensor& tensor : tensors) {
        by_name[tensor.name] = &tensor;
    }
    InputFile from = artifact.inference();
    ReplacingFile file(path);
    const auto append = [&](const void* data, std::size_t nbytes) { file.append(data, nbytes); };
    std::uint64_t at = 0;
    for (const ParameterRecord& parameter : artifact.manifest().parameters) {
        const std::uint64_t start = parameter.offset, stop = start + parameter.nbytes;
        const auto tensor = by_name.find(parameter.name);
        if (tensor == by_name.end() ||
            count_elements(tensor->second->shape).value_or(0) * size_of(tensor->second->dtype) != stop - start) {
            throw input_error(from.place(), "has no place for parameter '" + parameter.name + "'", detail::build_again);
        }
        from.pass(start - at, append);
        from.pass(stop - start, [](const void*, std::size_t) {});
        tensor->second->store([&](const void* data, std::size_t nbytes) {
            check_finite(path, *tensor->second, data, nbytes);
            append(data, nbytes);
        });
        at = stop;
    }
    from.pass(from.nbytes() - at, append);
    file.commit();
}

}  // namespace tinyfoa
