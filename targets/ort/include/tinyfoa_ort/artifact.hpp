// SPDX-License-Identifier: Apache-2.0
// The artifact: a folder with a manifest, ONNX models and the state that training begins with. Files are untrusted: the manifest
// names models with their size and SHA-256, none outside the folder.
#pragma once

#include <algorithm>
#include <string>

#include "tinyfoa_ort/file.hpp"
#include "tinyfoa_ort/manifest.hpp"

namespace tinyfoa {

class Artifact {
public:
    static constexpr const char* manifest_name = "manifest.json";
    static constexpr const char* initial_name = "initial.safetensors";

    // Read the manifest in a folder and check every model that it names.
    explicit Artifact(const fs::path& folder) : folder_(folder), manifest_(read_manifest(folder)) {
        for (const auto& [path, record] : manifest_.files) {
            checked(path, record);
        }
        for (const std::string& path : manifest_.stages) {
            require(path);
        }
        for (const BlockRecord& block : manifest_.blocks) {
            require(block.step);
        }
    }

    const Manifest& manifest() const { return manifest_; }
    const BlockRecord& block(std::size_t index) const { return manifest_.blocks[index]; }
    std::size_t num_blocks() const { return manifest_.blocks.size(); }

    // Whether all steps and stages are there with their bits in words too, as kernels read them (docs/kernels.md).
    bool has_packed_form() const {
        const auto is_there = [this](const std::string& path) {
            return path.empty() || manifest_.files.count(packed_folder + path) > 0;
        };
        return std::all_of(manifest_.stages.begin(), manifest_.stages.end(), is_there) &&
               std::all_of(manifest_.blocks.begin(), manifest_.blocks.end(),
                           [&](const BlockRecord& block) { return is_there(block.step); });
    }

    // The bytes of a step or a stage, in its packed form or with a byte for each binary value.
    std::string model(const std::string& path, bool is_packed) const { return content(is_packed ? packed_folder + path : path); }

    // The bytes of a file that the manifest names; checked again, since time has passed.
    std::string content(const std::string& path) const {
        const FileRecord& record = manifest_.files.at(path);
        return checked(path, record).read_text(static_cast<std::uint64_t>(record.nbytes));
    }

    InputFile initial() const { return InputFile(folder_ / initial_name, detail::build_again); }

    // Copy the artifact into another folder, the manifest last, so that a folder with one is complete.
    void save(const fs::path& folder) const {
        make_folder(folder);
        for (const auto& [path, record] : manifest_.files) {
            make_folder((folder / path).parent_path());
            write_whole(folder / path, content(path));
        }
        copy(initial(), folder / initial_name);
        copy(InputFile(folder_ / manifest_name, detail::build_again), folder / manifest_name);
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
    static inline const std::string packed_folder = "packed/";
    static constexpr std::uint64_t largest_manifest = std::uint64_t{1} << 24;

    static Manifest read_manifest(const fs::path& folder) {
        const fs::path path = folder / manifest_name;
        InputFile file(path, "name a folder that 'tinyfoa-rt build' or 'train' has written");
        try {
            return parse_manifest(path.string(), parse_object(file.read_text(largest_manifest)));
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
        const fs::path file_path = folder_ / path;
        if (!is_inside(file_path)) {
            const std::string problem = "'" + path.substr(0, 96) + "' lies outside the artifact's folder";
            throw input_error((folder_ / manifest_name).string() + ", files", problem, detail::build_again);
        }
        InputFile file(file_path, detail::build_again);
        if (file.nbytes() != static_cast<std::uint64_t>(record.nbytes)) {
            const std::string problem = "holds " + std::to_string(file.nbytes()) + " bytes, the manifest says ";
            throw input_error(file.place(), problem + std::to_string(record.nbytes), detail::build_again);
        }
        if (file.sha256() != record.sha256) {
            throw input_error(file.place(), "is damaged (its SHA-256 differs from the manifest's)", detail::build_again);
        }
        return file;
    }

    // Whether a path, links resolved, lies below the folder.
    bool is_inside(const fs::path& path) const {
        std::error_code failed;
        const fs::path home = fs::weakly_canonical(folder_, failed);
        const fs::path real = failed ? fs::path() : fs::weakly_canonical(path, failed);
        if (failed || path.string().find('\0') != std::string::npos) {
            return false;
        }
        const fs::path relative = real.lexically_relative(home);
        return !relative.empty() && *relative.begin() != ".." && relative != ".";
    }

    static void copy(InputFile from, const fs::path& to) {
        std::vector<unsigned char> piece(1 << 16);
        ReplacingFile file(to);
        for (std::uint64_t rest = from.nbytes(); rest > 0;) {
            const std::size_t count = rest < piece.size() ? static_cast<std::size_t>(rest) : piece.size();
            from.read(piece.data(), count);
            file.append(piece.data(), count);
            rest -= count;
        }
        file.commit();
    }

    fs::path folder_;
    Manifest manifest_;
};

}  // namespace tinyfoa
