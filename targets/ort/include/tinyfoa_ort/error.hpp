// SPDX-License-Identifier: Apache-2.0
// Errors: one line that says the place, what was found, and what to do.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace tinyfoa {

// The numbers are those of the C ABI, and the exit statuses of tinyfoa-rt where both have them.
enum class Status {
    ok = 0,
    runtime = 1,          // onnxruntime failed
    usage = 2,            // the call itself is wrong
    budget_exceeded = 3,  // a run would have passed the memory budget
    input = 4,            // a file or samples cannot be used
    out_of_memory = 5,
};

namespace detail {

// Names come from files: fold what does not print, so that a message stays one line.
inline std::string one_line(const std::string& text, std::size_t limit = std::string::npos) {
    std::string line;
    for (const unsigned char c : text) {
        const bool is_space = c <= 0x20 || c == 0x7f;
        if (!is_space) {
            line += static_cast<char>(c);
        } else if (!line.empty() && line.back() != ' ') {
            line += ' ';
        }
    }
    if (line.size() > limit) {
        line.resize(limit);
        while (!line.empty() && (static_cast<unsigned char>(line.back()) & 0xc0) == 0x80) {
            line.pop_back();  // the continuation of a UTF-8 sequence that was cut
        }
        if (!line.empty() && static_cast<unsigned char>(line.back()) >= 0xc0) {
            line.pop_back();
        }
        line += "...";
    }
    return line;
}

}  // namespace detail

class Error : public std::runtime_error {
public:
    Error(Status status, const std::string& place, const std::string& problem, const std::string& mend = "")
        : std::runtime_error(line(place, problem, mend)), status_(status) {}

    Status status() const noexcept { return status_; }

private:
    static constexpr std::size_t longest_place = 240;
    static constexpr std::size_t longest_problem = 400;

    static std::string line(const std::string& place, const std::string& problem, const std::string& mend) {
        std::string text = detail::one_line(place, longest_place);
        text += (text.empty() ? "" : ": ") + detail::one_line(problem, longest_problem);
        return mend.empty() ? text : text + "; " + mend;
    }

    Status status_;
};

inline Error input_error(const std::string& place, const std::string& problem, const std::string& mend) {
    return Error(Status::input, place, problem, mend);
}

// Training has left the range of float32.
inline Error divergence_error(const std::string& block, std::int64_t step, const std::string& problem) {
    return input_error("block " + block + ", step " + std::to_string(step), problem,
                       "lower the rate and train again, from the last checkpoint if you like, or look for outliers in the data");
}

inline Error usage_error(const std::string& place, const std::string& problem, const std::string& mend) {
    return Error(Status::usage, place, problem, mend);
}

}  // namespace tinyfoa
