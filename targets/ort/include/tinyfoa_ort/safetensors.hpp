// SPDX-License-Identifier: Apache-2.0
// Tensors in safetensors files. A header is checked against the size of the file before memory is taken for tensors:
// https://github.com/huggingface/safetensors#format
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tinyfoa_ort/file.hpp"
#include "tinyfoa_ort/json_read.hpp"
#include "tinyfoa_ort/json_write.hpp"
#include "tinyfoa_ort/tensor.hpp"

namespace tinyfoa {

struct TensorEntry {
    std::string name;
    Dtype dtype = Dtype::float32;
    Shape shape;
    std::uint64_t start = 0;  // in bytes behind the header
    std::uint64_t stop = 0;
};

// A tensor that lies somewhere in one piece or in several: it is written and read in C order, a piece at a time.
struct StoredTensor {
    using Append = std::function<void(const void*, std::size_t)>;
    using Take = std::function<void(void*, std::size_t)>;

    std::string name;
    Dtype dtype = Dtype::float32;
    Shape shape;
    std::function<void(const Append&)> store;
    std::function<void(const Take&)> load;

    // One that lies in one piece.
    static StoredTensor whole(const std::string& name, Dtype dtype, const Shape& shape, void* data) {
        const std::size_t nbytes = count_elements(shape).value_or(0) * size_of(dtype);
        return {name, dtype, shape, [=](const Append& append) { append(data, nbytes); },
                [=](const Take& take) { take(data, nbytes); }};
    }
};

namespace detail {

inline constexpr const char* dtype_codes[] = {"BOOL", "I8", "U8", "I32", "I64", "F16", "F32", "F64"};
inline constexpr const char* metadata_name = "__metadata__";
inline constexpr const char* get_again = "get the file again";

inline bool is_finite(Dtype dtype, const void* data, std::size_t nbytes) {
    bool is_good = true;
    const auto* bytes = static_cast<const unsigned char*>(data);
    if (dtype == Dtype::float32) {
        for (std::size_t i = 0; i + 4 <= nbytes; i += 4) {
            std::uint32_t bits = 0;
            std::memcpy(&bits, bytes + i, 4);
            is_good = is_good && (bits & 0x7f800000u) != 0x7f800000u;
        }
    } else if (dtype == Dtype::float64) {
        for (std::size_t i = 0; i + 8 <= nbytes; i += 8) {
            std::uint64_t bits = 0;
            std::memcpy(&bits, bytes + i, 8);
            is_good = is_good && (bits & 0x7ff0000000000000u) != 0x7ff0000000000000u;
        }
    } else if (dtype == Dtype::float16) {
        for (std::size_t i = 0; i + 2 <= nbytes; i += 2) {
            std::uint16_t bits = 0;
            std::memcpy(&bits, bytes + i, 2);
            is_good = is_good && (bits & 0x7c00u) != 0x7c00u;
        }
    }
    return is_good;
}

inline bool is_size(const Json& value) {
    const std::optional<std::int64_t> size = value.as_integer();
    return size && *size >= 0;
}

inline TensorEntry parse_entry(const Json::Member& member, const std::string& file) {
    const std::string place = file + ", tensor '" + member.first.substr(0, 48) + "'";
    const Json *code = member.second.find("dtype"), *shape = member.second.find("shape"),
               *offsets = member.second.find("data_offsets");
    if (code == nullptr || shape == nullptr || offsets == nullptr || member.second.members().size() != 3) {
        throw input_error(place, "is described by something other than dtype, shape and data_offsets", get_again);
    }
    TensorEntry entry;
    entry.name = member.first;
    const auto* known =
        std::find(std::begin(dtype_codes), std::end(dtype_codes), code->is(Json::Type::string) ? code->text() : "");
    if (known == std::end(dtype_codes)) {
        throw input_error(place, "has an unknown type", "store bool, int8, uint8, int32, int64 or float numbers");
    }
    entry.dtype = static_cast<Dtype>(known - std::begin(dtype_codes));
    const std::vector<Json>& sizes = shape->items();
    if (!shape->is(Json::Type::array) || sizes.size() > 32 || !std::all_of(sizes.begin(), sizes.end(), is_size)) {
        throw input_error(place, "has a shape that is no list of up to 32 sizes", get_again);
    }
    for (const Json& size : sizes) {
        entry.shape.push_back(*size.as_integer());
    }
    const std::vector<Json>& ends = offsets->items();
    if (!offsets->is(Json::Type::array) || ends.size() != 2 || !is_size(ends[0]) || !is_size(ends[1])) {
        throw input_error(place, "has data_offsets that are no start and stop", get_again);
    }
    entry.start = static_cast<std::uint64_t>(*ends[0].as_integer());
    entry.stop = static_cast<std::uint64_t>(*ends[1].as_integer());
    const std::optional<std::size_t> count = count_elements(entry.shape, entry.dtype);
    if (!count || entry.stop < entry.start || *count * size_of(entry.dtype) != entry.stop - entry.start) {
        throw input_error(place, "of shape " + to_text(entry.shape) + " does not take the bytes that its data_offsets give it",
                          get_again);
    }
    return entry;
}

}  // namespace detail

// A file of tensors, open at its first tensor; its header is checked.
class TensorFile {
public:
    explicit TensorFile(InputFile file) : file_(std::move(file)) {
        unsigned char start[8] = {};
        if (file_.nbytes() < sizeof start) {
            throw input_error(place(), "is no safetensors file: it ends inside its header", detail::get_again);
        }
        file_.read(start, sizeof start);
        std::uint64_t length = 0;
        for (int i = 7; i >= 0; --i) {
            length = length << 8 | start[i];
        }
        if (length > file_.nbytes() - sizeof start) {
            throw input_error(place(), "is no safetensors file: it ends inside its header", detail::get_again);
        }
        if (length > longest_header) {
            throw input_error(place(), "has a header of more than 16 MiB", "store fewer tensors in a file");
        }
        std::string header(static_cast<std::size_t>(length), '\0');
        file_.read(header.data(), header.size());
        parse(header, file_.nbytes() - sizeof start - length);
    }

    const std::string& place() const { return file_.place(); }
    // In the order of their places.
    const std::vector<TensorEntry>& entries() const { return entries_; }
    // Strings by name.
    const std::map<std::string, std::string>& metadata() const { return metadata_; }

    // Read all tensors, each into the one of its name; those without one are passed over, but checked.
    // The caller has looked at names, types and shapes.
    void load(const std::map<std::string, const StoredTensor*>& into) {
        std::vector<unsigned char> piece(1 << 16);
        for (const TensorEntry& entry : entries_) {
            const auto found = into.find(entry.name);
            std::uint64_t rest = entry.stop - entry.start;
            const auto take = [&](void* data, std::size_t nbytes) {
                file_.read(data, nbytes);
                check_values(entry, data, nbytes);
                rest -= nbytes;
            };
            if (found != into.end()) {
                found->second->load(take);
            }
            while (rest > 0) {
                take(piece.data(), static_cast<std::size_t>(rest < piece.size() ? rest : piece.size()));
            }
        }
    }

private:
    static constexpr std::uint64_t longest_header = std::uint64_t{1} << 24;

    void parse(const std::string& header, std::uint64_t data_nbytes) {
        try {
            const Json object = parse_object(header);
            for (const Json::Member& member : object.members()) {
                if (member.first == detail::metadata_name) {
                    parse_metadata(member.second);
                } else {
                    entries_.push_back(detail::parse_entry(member, place()));
                }
            }
        } catch (const JsonError& error) {
            const std::string problem = std::string("is no safetensors file: its header cannot be read (") + error.what() + ")";
            throw input_error(place(), problem, detail::get_again);
        }
        std::sort(entries_.begin(), entries_.end(), [](const TensorEntry& a, const TensorEntry& b) {
            return std::tie(a.start, a.stop) < std::tie(b.start, b.stop);
        });
        std::uint64_t stop = 0;
        for (const TensorEntry& entry : entries_) {
            if (entry.start != stop) {
                throw input_error(place(), "tensors overlap or leave a hole at byte " + std::to_string(stop), detail::get_again);
            }
            stop = entry.stop;
        }
        if (stop != data_nbytes) {
            const std::string problem = "holds " + std::to_string(data_nbytes) + " bytes of tensors, its header says ";
            throw input_error(place(), problem + std::to_string(stop), detail::get_again);
        }
    }

    void parse_metadata(const Json& content) {
        for (const Json::Member& member : content.members()) {
            metadata_[member.first] = member.second.text();
        }
        const auto is_text = [](const Json::Member& member) { return member.second.is(Json::Type::string); };
        if (!content.is(Json::Type::object) || !std::all_of(content.members().begin(), content.members().end(), is_text)) {
            throw input_error(place(), "has metadata that is no table of strings", detail::get_again);
        }
    }

    void check_values(const TensorEntry& entry, const void* data, std::size_t nbytes) const {
        if (!detail::is_finite(entry.dtype, data, nbytes)) {
            const std::string problem = "tensor '" + entry.name.substr(0, 48) + "' holds NaN or Inf";
            throw input_error(place(), problem, "use a file from before the training diverged");
        }
    }

    InputFile file_;
    std::vector<TensorEntry> entries_;
    std::map<std::string, std::string> metadata_;
};

// Size and SHA-256 of a file that was written.
struct Written {
    std::uint64_t nbytes = 0;
    std::string sha256;
};

// Refuse to write to `path` what a failed training has left: a piece of a tensor with NaN or Inf.
inline void check_finite(const fs::path& path, const StoredTensor& tensor, const void* data, std::size_t nbytes) {
    if (!detail::is_finite(tensor.dtype, data, nbytes)) {
        const std::string problem = "is not written: tensor '" + tensor.name + "' holds NaN or Inf";
        throw input_error(path.string(), problem, "the training has diverged: lower the rate");
    }
}

// Write tensors in the order that tinyfoa-rt gives them, so that the same tensors give the same bytes: by falling element size,
// then by name. The elements begin at a multiple of 64 bytes. A tensor with NaN or Inf replaces nothing.
inline Written write_tensors(const fs::path& path, std::vector<StoredTensor> tensors,
                             const std::map<std::string, std::string>& metadata = {}) {
    std::sort(tensors.begin(), tensors.end(), [](const StoredTensor& a, const StoredTensor& b) {
        return size_of(a.dtype) != size_of(b.dtype) ? size_of(a.dtype) > size_of(b.dtype) : a.name < b.name;
    });
    Json header = Json::object(), texts = Json::object();
    for (const auto& [name, text] : metadata) {
        texts.add(name, Json::string(text));
    }
    if (!metadata.empty()) {
        header.add(detail::metadata_name, std::move(texts));
    }
    std::int64_t stop = 0;
    for (const StoredTensor& tensor : tensors) {
        const std::int64_t start = stop;
        stop += static_cast<std::int64_t>(count_elements(tensor.shape).value_or(0) * size_of(tensor.dtype));
        Json entry = Json::object();
        entry.add("dtype", Json::string(detail::dtype_codes[static_cast<int>(tensor.dtype)]));
        entry.add("shape", Json::list(tensor.shape, Json::integer));
        entry.add("data_offsets", Json::list(Shape{start, stop}, Json::integer));
        header.add(tensor.name, std::move(entry));
    }
    JsonStyle style;
    style.is_compact = true;
    style.escapes_all = false;
    std::string text = to_text(header, style);
    text.append((64 - (8 + text.size()) % 64) % 64, ' ');
    unsigned char length[8] = {};
    for (int i = 0; i < 8; ++i) {
        length[i] = static_cast<unsigned char>(std::uint64_t{text.size()} >> (8 * i));
    }
    ReplacingFile file(path);
    file.append(length, sizeof length);
    file.append(text.data(), text.size());
    for (const StoredTensor& tensor : tensors) {
        tensor.store([&](const void* data, std::size_t nbytes) {
            check_finite(path, tensor, data, nbytes);
            file.append(data, nbytes);
        });
    }
    const std::uint64_t nbytes = file.nbytes();
    return {nbytes, file.commit()};
}

}  // namespace tinyfoa
