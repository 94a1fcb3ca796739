// SPDX-License-Identifier: Apache-2.0
// Reads JSON from outside without surprises: no duplicate keys, no NaN, no nesting that exhausts the stack.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "tinyfoa_ort/json.hpp"
#include "tinyfoa_ort/utf8.hpp"

namespace tinyfoa {
namespace detail {

class JsonReader {
public:
    explicit JsonReader(std::string_view text) : text_(text) {}

    Json read() {
        Json value = read_value(0);
        skip_spaces();
        if (at_ < text_.size()) {
            fail("more text behind the value");
        }
        return value;
    }

private:
    static constexpr int deepest = 64;

    [[noreturn]] void fail(const std::string& problem) const {
        throw JsonError("it is no JSON: " + problem + " at byte " + std::to_string(at_));
    }

    char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

    void skip_spaces() {
        while (at_ < text_.size() && std::strchr(" \t\n\r", text_[at_]) != nullptr && text_[at_] != '\0') {
            ++at_;
        }
    }

    void expect(char c) {
        skip_spaces();
        if (peek() != c || at_ == text_.size()) {
            fail(std::string("'") + c + "' is missing");
        }
        ++at_;
    }

    Json read_value(int depth) {
        if (depth > deepest) {
            throw JsonError("it is nested too deep");
        }
        skip_spaces();
        switch (peek()) {
            case '{': return read_object(depth);
            case '[': return read_array(depth);
            case '"': return Json::string(read_string());
            case 't': return read_word("true", Json::boolean(true));
            case 'f': return read_word("false", Json::boolean(false));
            case 'n': return read_word("null", Json());
            default: return read_number();
        }
    }

    Json read_word(std::string_view word, Json value) {
        if (text_.substr(at_, word.size()) != word) {
            fail("an unknown word");
        }
        at_ += word.size();
        return value;
    }

    Json read_array(int depth) {
        Json array = Json::array();
        read_items(']', [&] { array.add(read_value(depth + 1)); });
        return array;
    }

    Json read_object(int depth) {
        Json object = Json::object();
        read_items('}', [&] {
            skip_spaces();
            std::string key = read_string();
            expect(':');
            object.add(std::move(key), read_value(depth + 1));
        });
        refuse_duplicates(object);
        return object;
    }

    // From an opening bracket to the closing one; `read_item` reads what lies before, between or behind commas.
    template <typename ReadItem>
    void read_items(char closing, const ReadItem& read_item) {
        ++at_;
        skip_spaces();
        if (peek() != closing) {
            read_item();
            for (skip_spaces(); peek() == ','; skip_spaces()) {
                ++at_;
                read_item();
            }
        }
        expect(closing);
    }

    static void refuse_duplicates(const Json& object) {
        std::vector<std::string_view> keys;
        for (const Json::Member& member : object.members()) {
            keys.push_back(member.first);
        }
        std::sort(keys.begin(), keys.end());
        if (std::adjacent_find(keys.begin(), keys.end()) != keys.end()) {
            throw JsonError("a key is there twice");
        }
    }

    // Pass digits, at least one; returns how many.
    std::size_t skip_digits(const char* problem) {
        const std::size_t start = at_;
        while (peek() >= '0' && peek() <= '9') {
            ++at_;
        }
        if (at_ == start) {
            fail(problem);
        }
        return at_ - start;
    }

    Json read_number() {
        const std::size_t start = at_;
        at_ += peek() == '-';
        const bool has_leading_zero = peek() == '0';
        if (skip_digits("a value is missing") > 1 && has_leading_zero) {
            fail("a value is missing");
        }
        bool is_real = false;
        if (peek() == '.') {
            is_real = true;
            ++at_;
            skip_digits("a digit is missing");
        }
        if (peek() == 'e' || peek() == 'E') {
            is_real = true;
            ++at_;
            at_ += peek() == '+' || peek() == '-';
            skip_digits("a digit is missing");
        }
        const std::string text(text_.substr(start, at_ - start));
        if (!is_real) {
            return Json::literal(Json::Type::integer, text == "-0" ? "0" : text);
        }
        if (!std::isfinite(number_of(text))) {
            throw JsonError("a number is too large");
        }
        return Json::literal(Json::Type::real, text);
    }

    std::string read_string() {
        if (peek() != '"') {
            fail("'\"' is missing");
        }
        ++at_;
        std::string value;
        while (true) {
            if (at_ >= text_.size()) {
                fail("a string has no end");
            }
            const char c = text_[at_++];
            if (c == '"') {
                return value;
            }
            if (static_cast<unsigned char>(c) < 0x20) {
                fail("a control character in a string");
            }
            if (c == '\\') {
                read_escape(value);
            } else {
                value += c;
            }
        }
    }

    void read_escape(std::string& value) {
        static constexpr std::string_view names = "\"\\/bfnrt", meanings = "\"\\/\b\f\n\r\t";
        const char c = peek();
        ++at_;
        if (c != 'u') {
            const std::size_t which = names.find(c);
            if (which == std::string_view::npos || c == '\0') {
                fail("an unknown escape");
            }
            value += meanings[which];
            return;
        }
        std::uint32_t point = read_hex();
        if (point >= 0xd800 && point < 0xdc00) {
            if (text_.substr(at_, 2) != "\\u") {
                fail("half a character");
            }
            at_ += 2;
            const std::uint32_t low = read_hex();
            if (low < 0xdc00 || low > 0xdfff) {
                fail("half a character");
            }
            point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
        } else if (point >= 0xdc00 && point < 0xe000) {
            fail("half a character");
        }
        append_utf8(value, point);
    }

    std::uint32_t read_hex() {
        std::uint32_t value = 0;
        const std::string_view digits = text_.substr(std::min(at_, text_.size()), 4);
        const char* end = digits.data() + digits.size();
        if (digits.size() < 4 || std::from_chars(digits.data(), end, value, 16).ptr != end) {
            fail("four hexadecimal digits are missing");
        }
        at_ += digits.size();
        return value;
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

}  // namespace detail

// Return the object that a text holds; throws JsonError on anything else.
inline Json parse_object(std::string_view text) {
    if (!detail::is_utf8(text)) {
        throw JsonError("it is not UTF-8");
    }
    Json value = detail::JsonReader(text).read();
    if (!value.is(Json::Type::object)) {
        throw JsonError("it is no JSON object");
    }
    return value;
}

}  // namespace tinyfoa
