// SPDX-License-Identifier: Apache-2.0
// Numbers of JSON as text: reals in the fewest digits that read back equal, as Python's json writes them.
#pragma once

#include <charconv>
#include <cmath>
#include <limits>
#include <locale>
#include <sstream>
#include <string>

namespace tinyfoa {
namespace detail {

// The text of a finite number: fixed from 1e-4 to below 1e16, else with an exponent of two digits or more.
inline std::string shortest_text(double value) {
    const double size = std::fabs(value);
    const bool is_fixed = size == 0 || (size >= 1e-4 && size < 1e16);
    char buffer[64];
    const auto format = is_fixed ? std::chars_format::fixed : std::chars_format::scientific;
    const std::string text(buffer, std::to_chars(buffer, buffer + sizeof buffer, value, format).ptr);
    return is_fixed && text.find('.') == std::string::npos ? text + ".0" : text;
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

}  // namespace tinyfoa
