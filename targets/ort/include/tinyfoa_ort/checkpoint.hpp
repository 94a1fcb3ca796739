// SPDX-License-Identifier: Apache-2.0
// A checkpoint: the state of a training, kept so that a power cut at any moment leaves the old one or the new one whole.
//
//     state-000012.safetensors    the tensors, and how far the training was as metadata, under a name that no file had before
//     checkpoint.json             names that file, its size and hash, and the artifact
//
// The order is what keeps it whole: the tensors are on the disk before the manifest names them, the manifest is replaced in one
// move, and the old tensors go only when the new manifest is on the disk.
#pragma once

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>
#include <vector>

#include "tinyfoa_ort/file.hpp"
#include "tinyfoa_ort/progress.hpp"
#include "tinyfoa_ort/safetensors.hpp"

namespace tinyfoa {

class CheckpointFolder {
public:
    explicit CheckpointFolder(const fs::path& folder) : folder_(folder) {}

    // Save in place of the checkpoint there; a failure or a power cut leaves that one as it is.
    void save(const std::vector<StoredTensor>& tensors, const Progress& progress, const std::string& artifact_id) const {
        refuse_link();
        make_folder(folder_);
        // What cannot be loaded is replaced, but nothing is removed before there is something better.
        try {
            remove_remains(read_manifest().file);
        } catch (const Error&) {
        }
        char name[48];
        std::snprintf(name, sizeof name, "state-%06llu.safetensors", next_number());
        const Written state = write_tensors(folder_ / name, tensors, {{progress_name, to_text(progress.to_json(), JsonStyle())}});
        Json manifest = Json::object();
        manifest.add("format", Json::string(format)).add("file", Json::string(name));
        manifest.add("bytes", Json::integer(static_cast<std::int64_t>(state.nbytes))).add("sha256", Json::string(state.sha256));
        manifest.add("artifact", Json::string(artifact_id));
        JsonStyle style;
        style.is_indented = true;
        write_whole(folder_ / manifest_name, to_text(manifest, style));
        remove_remains(name);
    }

    // Return the progress and the file of tensors, checked against its hash.
    std::pair<Progress, TensorFile> load(const std::string& artifact_id) const {
        const Manifest manifest = read_manifest();
        const std::string place = (folder_ / manifest_name).string();
        if (manifest.artifact != artifact_id) {
            throw input_error(place, "belongs to another artifact", "resume with the artifact it was saved for");
        }
        InputFile file(folder_ / manifest.file, "restore the file that the checkpoint names, or train anew", Links::refuse);
        if (file.nbytes() != manifest.nbytes) {
            const std::string found = std::to_string(file.nbytes()), expected = std::to_string(manifest.nbytes);
            throw input_error(file.place(), "is damaged: " + found + " bytes, the checkpoint says " + expected, anew);
        }
        if (file.sha256() != manifest.sha256) {
            throw input_error(file.place(), "is damaged: its SHA-256 is not the one in the checkpoint", anew);
        }
        TensorFile state(std::move(file));
        return {read_progress(state), std::move(state)};
    }

private:
    static constexpr const char* format = "tinyfoa-checkpoint/4";
    static constexpr const char* progress_name = "progress";
    static constexpr const char* manifest_name = "checkpoint.json";
    static constexpr const char* anew = "take another checkpoint or train anew";
    static constexpr std::uint64_t largest_manifest = std::uint64_t{1} << 24;

    struct Manifest {
        std::string file, sha256, artifact;
        std::uint64_t nbytes = 0;
    };

    static Progress read_progress(const TensorFile& state) {
        const auto found = state.metadata().find(progress_name);
        try {
            const Json content = parse_object(found == state.metadata().end() ? "" : found->second);
            return Progress::from_json(state.place() + ", progress", content);
        } catch (const JsonError&) {
            throw input_error(state.place(), "does not say how far the training was", anew);
        }
    }

    // The run that the folder lies in may come from outside, and files in it are removed.
    void refuse_link() const {
        std::error_code failed;
        if (fs::is_symlink(folder_, failed)) {
            throw input_error(folder_.string(), "is a link, which may lead out of the run", "name another run");
        }
    }

    Manifest read_manifest() const {
        refuse_link();
        InputFile file(folder_ / manifest_name, "name a folder that holds a checkpoint, or train anew", Links::refuse);
        try {
            const Json content = parse_object(file.read_text(largest_manifest));
            RecordReader reader(file.place(), content, anew);
            if (reader.text("format") != format) {
                throw input_error(file.place(), std::string("is not of the format '") + format + "'",
                                  "use the version of tinyfoa-rt that wrote it, or train anew");
            }
            Manifest manifest;
            manifest.file = reader.text("file");
            manifest.nbytes = static_cast<std::uint64_t>(reader.integer("bytes"));
            manifest.sha256 = reader.text("sha256");
            manifest.artifact = reader.text("artifact");
            reader.finish();
            if (!is_state(manifest.file)) {
                throw input_error(file.place(), "names '" + manifest.file.substr(0, 48) + "', which is no file of a checkpoint",
                                  anew);
            }
            return manifest;
        } catch (const JsonError& error) {
            throw input_error(file.place(), std::string("is damaged: ") + error.what(), anew);
        }
    }

    static bool are_digits(const std::string& text, std::size_t least) {
        return text.size() >= least && text.find_first_not_of("0123456789") == std::string::npos;
    }

    // Whether a name is state-NNNNNN.safetensors, six digits or more.
    static bool is_state(const std::string& name) {
        const std::string prefix = "state-", suffix = ".safetensors";
        return name.size() > prefix.size() + suffix.size() && name.compare(0, prefix.size(), prefix) == 0 &&
               name.compare(name.size() - suffix.size(), suffix.size(), suffix) == 0 &&
               are_digits(name.substr(prefix.size(), name.size() - prefix.size() - suffix.size()), 6);
    }

    // Whether a name is what a save that was cut short leaves: .NAME.PID of one of its files.
    static bool is_temporary(const std::string& name) {
        const std::size_t dot = name.rfind('.');
        if (name.empty() || name[0] != '.' || dot == 0 || !are_digits(name.substr(dot + 1), 1)) {
            return false;
        }
        const std::string target = name.substr(1, dot - 1);
        return target == manifest_name || is_state(target);
    }

    std::vector<std::string> remains() const {
        std::vector<std::string> names;
        std::error_code failed;
        for (fs::directory_iterator entry(folder_, failed), end; !failed && entry != end; entry.increment(failed)) {
            const std::string name = entry->path().filename().string();
            if (is_state(name) || is_temporary(name)) {
                names.push_back(name);
            }
        }
        if (failed) {
            throw input_error(folder_.string(), "cannot be read (" + failed.message() + ")", "name a folder that can be read");
        }
        return names;
    }

    // One more than any number in the folder: a name is never used twice, so an old manifest never names new tensors.
    unsigned long long next_number() const {
        unsigned long long largest = 0;
        for (const std::string& name : remains()) {
            const std::size_t start = name.find("state-");
            if (start != std::string::npos) {
                largest = std::max(largest, std::strtoull(name.c_str() + start + 6, nullptr, 10));
            }
        }
        if (largest >= std::numeric_limits<std::int64_t>::max()) {
            throw input_error(folder_.string(), "holds a state whose number is too large", "remove it");
        }
        return largest + 1;
    }

    void remove_remains(const std::string& keep) const {
        std::vector<std::string> names;
        std::error_code ignored;
        for (const std::string& name : remains()) {
            if (name != keep && !fs::is_directory(folder_ / name, ignored)) {
                names.push_back(name);
            }
        }
        if (!names.empty()) {
            // The manifest seen here may not be on the disk, if the process that wrote it was killed.
            sync_folder(folder_);
        }
        for (const std::string& name : names) {
            if (::unlink((folder_ / name).c_str()) != 0) {
                throw input_error(folder_.string(), "cannot be tidied (" + detail::reason() + ")",
                                  "name a folder that can be written to");
            }
        }
    }

    fs::path folder_;
};

}  // namespace tinyfoa
