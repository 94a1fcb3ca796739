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

inline constexpr const char* dtype_codes[] = {"BOOL", "I8", "U8", "I16", "I32", "I64", "F16", "F32", "F64"};
inline constexpr const char* metadata_name = "__metadata__";
inline constexpr const char* get_again = "get the file again";

// Whether no number has all bits of its exponent set, as NaN and Inf have.
template <typename Bits>
bool has_finite_exponents(const void* data, std::size_t nbytes, Bits exponent) {
    bool is_good = true;
    for (std::size_t i = 0; i + sizeof exponent <= nbytes; i += sizeof exponent) {
        Bits bits = 0;
        std::memcpy(&bits, static_cast<const unsigned char*>(data) + i, sizeof bits);
        is_good = is_good && (bits & exponent) != exponent;
    }
    return is_good;
}

inline bool is_finite(Dtype dtype, const void* data, std::size_t nbytes) {
    switch (dtype) {
        case Dtype::float16: return has_finite_exponents(data, nbytes, std::uint16_t{0x7c00});
        case Dtype::float32: return has_finite_exponents(data, nbytes, std::uint32_t{0x7f800000});
        case Dtype::float64: return has_finite_exponents(data, nbytes, std::uint64_t{0x7ff0000000000000});
        default: return true;
    }
}

// The sizes in a list of up to `most`, or nothing where it is something else.
inline std::optional<Shape> read_sizes(const Json& list, std::size_t most) {
    Shape sizes;
    for (const Json& item : list.items()) {
        const std::optional<std::int64_t> size = item.as_integer();
        if (!size || *size < 0) {
            return std::nullopt;
        }
        sizes.push_back(*size);
    }
    return list.is(Json::Type::array) && sizes.size() <= most ? std::optional(sizes) : std::nullopt;
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
    const std::optional<Shape> sizes = read_sizes(*shape, 32), ends = read_sizes(*offsets, 2);
    if (!sizes) {
        throw input_error(place, "has a shape that is no list of up to 32 sizes", get_again);
    }
    if (!ends || ends->size() != 2) {
        throw input_error(place, "has data_offsets that are no start and stop", get_again);
    }
    entry.shape = *sizes;
    entry.start = static_cast<std::uint64_t>(ends->front());
    entry.stop = static_cast<std::uint64_t>(ends->back());
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
        std::uint64_t length = 0;
        const bool has_length = file_.nbytes() >= sizeof length;
        if (has_length) {
            file_.read(&length, sizeof length);
        }
        if (!has_length || length > file_.nbytes() - sizeof length) {
            throw input_error(place(), "is no safetensors file: it ends inside its header", detail::get_again);
        }
        if (length > longest_header) {
            throw input_error(place(), "has a header of more than 16 MiB", "store fewer tensors in a file");
        }
        std::string header(static_cast<std::size_t>(length), '\0');
        file_.read(header.data(), header.size());
        parse(header, file_.nbytes() - sizeof length - length);
    }

    const std::string& place() const { return file_.place(); }
    // Strings by name.
    const std::map<std::string, std::string>& metadata() const { return metadata_; }

    // The tensor of a name, which must be there.
    const TensorEntry& entry(const std::string& name, const std::string& mend) const {
        const auto has_name = [&](const TensorEntry& each) { return each.name == name; };
        const auto found = std::find_if(entries_.begin(), entries_.end(), has_name);
        if (found == entries_.end()) {
            throw input_error(place() + ", tensor '" + name + "'", "is missing", mend);
        }
        return *found;
    }

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
    const std::uint64_t length = text.size();
    ReplacingFile file(path);
    file.append(&length, sizeof length);
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
