// SPDX-License-Identifier: Apache-2.0
// Writes JSON byte for byte as Python's json.dumps does, since both write checkpoints.
#pragma once

#include <string>
#include <vector>

#include "tinyfoa_ort/json.hpp"
#include "tinyfoa_ort/utf8.hpp"

namespace tinyfoa {

struct JsonStyle {
    bool is_indented = false;  // json.dumps(indent=1); else one line
    bool is_compact = false;   // separators=(",", ":")
    bool escapes_all = true;   // ensure_ascii=True
};

namespace detail {

class JsonWriter {
public:
    explicit JsonWriter(JsonStyle style) : style_(style) {}

    std::string write(const Json& value) {
        write_value(value, 1);
        return std::move(out_);
    }

private:
    void write_value(const Json& value, int depth) {
        switch (value.type()) {
            case Json::Type::null: out_ += "null"; break;
            case Json::Type::string: write_string(value.text()); break;
            case Json::Type::array:
                write_items("[]", value.items(), depth, [&](const Json& item) { write_value(item, depth + 1); });
                break;
            case Json::Type::object:
                write_items("{}", value.members(), depth, [&](const Json::Member& member) {
                    write_string(member.first);
                    out_ += style_.is_compact ? ":" : ": ";
                    write_value(member.second, depth + 1);
                });
                break;
            default: out_ += value.text();
        }
    }

    void begin_line(int depth) {
        if (style_.is_indented) {
            out_ += '\n' + std::string(static_cast<std::size_t>(depth), ' ');
        }
    }

    template <typename Item, typename WriteItem>
    void write_items(const char* brackets, const std::vector<Item>& items, int depth, const WriteItem& write_item) {
        out_ += brackets[0];
        for (std::size_t i = 0; i < items.size(); ++i) {
            if (i > 0) {
                out_ += style_.is_indented || style_.is_compact ? "," : ", ";
            }
            begin_line(depth);
            write_item(items[i]);
        }
        if (!items.empty()) {
            begin_line(depth - 1);
        }
        out_ += brackets[1];
    }

    void write_string(const std::string& text) {
        static const std::string special = "\"\\\b\f\n\r\t", letters = "\"\\bfnrt";
        out_ += '"';
        for (std::size_t at = 0; at < text.size();) {
            const std::size_t start = at;
            std::uint32_t point = 0;
            if (!next_character(text, at, point)) {
                throw JsonError("a string is not UTF-8");
            }
            const std::size_t which = point < 0x80 && point > 0 ? special.find(static_cast<char>(point)) : std::string::npos;
            if (which != std::string::npos) {
                out_ += '\\';
                out_ += letters[which];
            } else if (point < 0x20 || (style_.escapes_all && point >= 0x7f)) {
                write_escaped(point);
            } else {
                out_.append(text, start, at - start);
            }
        }
        out_ += '"';
    }

    void write_escaped(std::uint32_t point) {
        if (point >= 0x10000) {
            write_escaped(0xd800 + ((point - 0x10000) >> 10));
            point = 0xdc00 + ((point - 0x10000) & 0x3ff);
        }
        out_ += "\\u";
        for (int shift = 12; shift >= 0; shift -= 4) {
            out_ += "0123456789abcdef"[(point >> shift) & 15];
        }
    }

    JsonStyle style_;
    std::string out_;
};

}  // namespace detail

inline std::string to_text(const Json& value, JsonStyle style) { return detail::JsonWriter(style).write(value); }

}  // namespace tinyfoa
