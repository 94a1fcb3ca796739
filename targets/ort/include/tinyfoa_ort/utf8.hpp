// SPDX-License-Identifier: Apache-2.0
// UTF-8: what is valid, and characters by their number.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tinyfoa {
namespace detail {

// Decode the character at `at` and move behind it; false where there is none (overlong forms and surrogates included).
inline bool next_character(std::string_view text, std::size_t& at, std::uint32_t& point) {
    const auto first = static_cast<unsigned char>(text[at]);
    const int length = first < 0x80                    ? 1
                       : first >= 0xc2 && first < 0xe0 ? 2
                       : first >= 0xe0 && first < 0xf0 ? 3
                       : first >= 0xf0 && first < 0xf5 ? 4
                                                       : 0;
    if (length == 0 || at + static_cast<std::size_t>(length) > text.size()) {
        return false;
    }
    point = length == 1 ? first : first & (0xff >> (length + 1));
    for (int i = 1; i < length; ++i) {
        const auto next = static_cast<unsigned char>(text[at + static_cast<std::size_t>(i)]);
        if ((next & 0xc0) != 0x80) {
            return false;
        }
        point = point << 6 | (next & 0x3f);
    }
    at += static_cast<std::size_t>(length);
    const bool is_overlong = (length == 3 && point < 0x800) || (length == 4 && point < 0x10000);
    return !is_overlong && point <= 0x10ffff && !(point >= 0xd800 && point < 0xe000);
}

inline bool is_utf8(std::string_view text) {
    std::uint32_t point = 0;
    for (std::size_t at = 0; at < text.size();) {
        if (!next_character(text, at, point)) {
            return false;
        }
    }
    return true;
}

inline void append_utf8(std::string& text, std::uint32_t point) {
    if (point < 0x80) {
        text += static_cast<char>(point);
        return;
    }
    const int rest = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
    static constexpr unsigned char heads[] = {0, 0xc0, 0xe0, 0xf0};
    text += static_cast<char>(heads[rest] | (point >> (6 * rest)));
    for (int i = rest - 1; i >= 0; --i) {
        text += static_cast<char>(0x80 | ((point >> (6 * i)) & 0x3f));
    }
}

}  // namespace detail
}  // namespace tinyfoa
