// SPDX-License-Identifier: Apache-2.0
// JSON values. Numbers keep their text, so that what was read is written back as it was.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tinyfoa_ort/json_number.hpp"

namespace tinyfoa {

// What is wrong with a text; who knows the file adds the place.
class JsonError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

class Json {
public:
    enum class Type { null, boolean, integer, real, string, array, object };
    using Member = std::pair<std::string, Json>;

    Json() = default;

    static Json boolean(bool value) { return Json(Type::boolean, value ? "true" : "false"); }
    static Json integer(std::int64_t value) { return Json(Type::integer, std::to_string(value)); }
    static Json string(std::string value) { return Json(Type::string, std::move(value)); }
    static Json array() { return Json(Type::array, ""); }
    static Json object() { return Json(Type::object, ""); }
    static Json real(double value) {
        if (!std::isfinite(value)) {
            throw JsonError("a number is NaN or Inf");
        }
        return Json(Type::real, detail::shortest_text(value));
    }
    // An array of what `make` makes of each item.
    template <typename Items, typename Make>
    static Json list(const Items& items, const Make& make) {
        Json found = array();
        for (const auto& item : items) {
            found.add(make(item));
        }
        return found;
    }
    // A number or a literal as it stands in a text.
    static Json literal(Type type, std::string text) { return Json(type, std::move(text)); }

    Type type() const { return type_; }
    bool is(Type type) const { return type_ == type; }

    // The characters of a string, or the text of a number.
    const std::string& text() const { return text_; }
    const std::vector<Json>& items() const { return items_; }
    const std::vector<Member>& members() const { return members_; }

    // The integer, where it is one of 64 bits.
    std::optional<std::int64_t> as_integer() const {
        std::int64_t value = 0;
        const char* end = text_.data() + text_.size();
        const std::from_chars_result done = std::from_chars(text_.data(), end, value);
        const bool is_whole = is(Type::integer) && done.ec == std::errc() && done.ptr == end;
        return is_whole ? std::optional(value) : std::nullopt;
    }
    // The number, integer or real.
    std::optional<double> as_number() const {
        return is(Type::integer) || is(Type::real) ? std::optional(detail::number_of(text_)) : std::nullopt;
    }

    const Json* find(const std::string& key) const {
        for (const Member& member : members_) {
            if (member.first == key) {
                return &member.second;
            }
        }
        return nullptr;
    }

    Json& add(Json item) {
        items_.push_back(std::move(item));
        return *this;
    }

    Json& add(std::string key, Json value) {
        members_.emplace_back(std::move(key), std::move(value));
        return *this;
    }

private:
    Json(Type type, std::string text) : type_(type), text_(std::move(text)) {}

    Type type_ = Type::null;
    std::string text_;
    std::vector<Json> items_;
    std::vector<Member> members_;
};

}  // namespace tinyfoa
