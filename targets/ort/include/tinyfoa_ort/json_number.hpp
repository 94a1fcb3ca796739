// SPDX-License-Identifier: Apache-2.0
// Numbers of JSON as text: reals in the fewest digits that read back equal, as Python's json writes them.
#pragma once

#include <charconv>
#include <cmath>
#include <limits>
#include <locale>
#include <sstream>
#include <string>

#include "tinyfoa_ort/json.hpp"

namespace tinyfoa {
namespace detail {

// The text of a finite number: fixed from 1e-4 to below 1e16, else with an exponent of two digits or more.
inline std::string shortest_text(double value) {
    char buffer[64];
    const std::to_chars_result done = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
    const std::string text(buffer, done.ptr);
    const std::size_t e = text.find('e');
    const std::string sign = text[0] == '-' ? "-" : "";
    std::string digits;
    for (const char c : text.substr(0, e)) {
        if (c >= '0' && c <= '9') {
            digits += c;
        }
    }
    const int exponent = std::stoi(text.substr(e + 1));
    const int num_digits = static_cast<int>(digits.size());
    if (exponent < -4 || exponent >= 16) {
        const std::string fraction = num_digits > 1 ? "." + digits.substr(1) : "";
        const std::string size = std::to_string(exponent < 0 ? -exponent : exponent);
        return sign + digits[0] + fraction + "e" + (exponent < 0 ? "-" : "+") + (size.size() < 2 ? "0" : "") + size;
    }
    if (exponent < 0) {
        return sign + "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
    }
    const auto whole = static_cast<std::size_t>(exponent) + 1;
    if (num_digits <= exponent + 1) {
        return sign + digits + std::string(whole - digits.size(), '0') + ".0";
    }
    return sign + digits.substr(0, whole) + "." + digits.substr(whole);
}

// The number in a text, whatever locale the application has set; infinite where it is too large.
inline double number_of(const std::string& text) {
    std::istringstream stream(text);
    stream.imbue(std::locale::classic());
    double value = 0;
    stream >> value;
    // A stream fails on what underflows too, and leaves a number near 0 then.
    return stream.fail() && std::fabs(value) >= 1 ? std::numeric_limits<double>::infinity() : value;
}

}  // namespace detail

inline Json Json::real(double value) {
    if (!std::isfinite(value)) {
        throw JsonError("a number is NaN or Inf");
    }
    return Json(Type::real, detail::shortest_text(value));
}

inline std::optional<std::int64_t> Json::as_integer() const {
    std::int64_t value = 0;
    if (type_ != Type::integer) {
        return std::nullopt;
    }
    const char* end = text_.data() + text_.size();
    const std::from_chars_result done = std::from_chars(text_.data(), end, value);
    return done.ec == std::errc() && done.ptr == end ? std::optional(value) : std::nullopt;
}

inline std::optional<double> Json::as_number() const {
    return is(Type::integer) || is(Type::real) ? std::optional(detail::number_of(text_)) : std::nullopt;
}

}  // namespace tinyfoa
