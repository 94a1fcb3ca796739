// SPDX-License-Identifier: Apache-2.0
// The artifact: a folder with a manifest, ONNX models and the state that training begins with. Files are untrusted: the manifest
// names each with its size and SHA-256, none by a path that an artifact does not have, and none is reached through a link. Graphs
// hold all their data: onnxruntime opens no other file because of them.
#pragma once

#include <algorithm>
#include <string>

#include "tinyfoa_ort/external_data.hpp"
#include "tinyfoa_ort/file.hpp"
#include "tinyfoa_ort/manifest.hpp"

namespace tinyfoa {

class Artifact {
public:
    static constexpr const char* manifest_name = "manifest.json";

    // Read the manifest in a folder and check every model that it names.
    explicit Artifact(const fs::path& folder) : folder_(folder), manifest_(read_manifest(folder)) {
        require(detail::initial_name);
        require(detail::inference_model);
        for (const std::string& path : manifest_.stages) {
            require(path);
        }
        for (const BlockRecord& block : manifest_.blocks) {
            for (const std::string& path : block.steps()) {
                require(path);
            }
        }
        for (const auto& [path, record] : manifest_.files) {
            if (detail::ends_with(path, ".onnx")) {
                content(path);
            } else {
                checked(path, record);
            }
        }
    }

    const Manifest& manifest() const { return manifest_; }
    const BlockRecord& block(std::size_t index) const { return manifest_.blocks[index]; }

    // Whether all steps and stages are there with their bits in words too, as kernels read them (docs/kernels.md).
    bool has_packed_form() const {
        const auto is_there = [this](const std::string& path) {
            return path.empty() || manifest_.files.count(detail::packed_folder + path) > 0;
        };
        const auto has_steps = [&](const BlockRecord& block) {
            const std::vector<std::string> steps = block.steps();
            return std::all_of(steps.begin(), steps.end(), is_there);
        };
        return std::all_of(manifest_.stages.begin(), manifest_.stages.end(), is_there) &&
               std::all_of(manifest_.blocks.begin(), manifest_.blocks.end(), has_steps);
    }

    // The bytes of a step or a stage, in its packed form or with a byte for each binary value.
    std::string model(const std::string& path, bool is_packed) const {
        return content(is_packed ? detail::packed_folder + path : path);
    }

    // The bytes of a file that the manifest names; checked again, since time has passed.
    std::string content(const std::string& path) const {
        const FileRecord& record = manifest_.files.at(path);
        InputFile file = checked(path, record);
        const std::string found = file.read_text(record.nbytes);
        if (detail::ends_with(path, ".onnx") && path != detail::source_model) {
            refuse_external_data(found, file.place());
        }
        return found;
    }

    // The trained model as it is in this folder; what it says besides its parameters is checked.
    InputFile inference() const { return checked(detail::inference_model, manifest_.files.at(detail::inference_model)); }

    InputFile initial() const { return checked(detail::initial_name, manifest_.files.at(detail::initial_name)); }

    // Copy the artifact into another folder, the manifest last, so that a folder with one is complete.
    void save(const fs::path& folder) const {
        make_folder(folder);
        for (const auto& [path, record] : manifest_.files) {
            detail::check_path(folder.string(), path);
            const fs::path file = below(folder, path, "name a new folder");
            make_folder(file.parent_path());
            copy(checked(path, record), file);
        }
        copy(InputFile(folder_ / manifest_name, detail::build_again, Links::refuse), folder / manifest_name);
    }

    // Whether a folder holds this artifact.
    bool is_in(const fs::path& folder) const {
        std::error_code failed;
        if (fs::equivalent(folder, folder_, failed)) {
            return true;
        }
        return fs::exists(folder / manifest_name, failed) && Artifact(folder).manifest().id == manifest_.id;
    }

private:
    static constexpr std::uint64_t largest_manifest = std::uint64_t{1} << 24;

    static Manifest read_manifest(const fs::path& folder) {
        const fs::path path = folder / manifest_name;
        InputFile file(path, "name a folder that 'tinyfoa-rt build' or 'train' has written", Links::refuse);
        try {
            return parse_manifest(path.string(), file.read_text(largest_manifest));
        } catch (const JsonError& error) {
            throw input_error(path.string(), std::string("is damaged: ") + error.what(), detail::build_again);
        }
    }

    void require(const std::string& path) const {
        if (!path.empty() && manifest_.files.count(path) == 0) {
            throw input_error((folder_ / manifest_name).string() + ", files", "does not list '" + path + "'",
                              detail::build_again);
        }
    }

    InputFile checked(const std::string& path, const FileRecord& record) const {
        InputFile file(below(folder_, path, detail::build_again), detail::build_again, Links::refuse);
        if (file.nbytes() != record.nbytes) {
            const std::string problem = "holds " + std::to_string(file.nbytes()) + " bytes, the manifest says ";
            throw input_error(file.place(), problem + std::to_string(record.nbytes), detail::build_again);
        }
        std::vector<ByteRange> changing;  // by training
        if (path == detail::inference_model) {
            for (const ParameterRecord& each : manifest_.parameters) {
                changing.push_back({each.offset, each.offset + each.nbytes});
            }
        }
        if (file.sha256(changing) != record.sha256) {
            throw input_error(file.place(), "is damaged (its SHA-256 differs from the manifest's)", detail::build_again);
        }
        return file;
    }

    static void copy(InputFile from, const fs::path& to) {
        ReplacingFile file(to);
        from.pass(from.nbytes(), [&](const void* data, std::size_t nbytes) { file.append(data, nbytes); });
        file.commit();
    }

    fs::path folder_;
    Manifest manifest_;
};

}  // namespace tinyfoa
