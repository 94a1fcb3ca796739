// SPDX-License-Identifier: Apache-2.0
// Refuses ONNX graphs from outside that would let onnxruntime open another file: their data must lie in them.
//
// The wire format of protobuf is walked field by field, only where a tensor can be, as in tinyfoa_rt/artifact/external_data.py;
// numbers of fields are those of onnx.proto. What protobuf's own parsers read leniently is refused.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tinyfoa_ort/error.hpp"

namespace tinyfoa {
namespace detail {

class ExternalDataCheck {
public:
    explicit ExternalDataCheck(std::string place) : place_(std::move(place)) {}

    void check(std::string_view content) {
        if (content.find("location") == std::string_view::npos && content.find("EPContext") == std::string_view::npos) {
            return;  // without these words there is nothing to look for, and most models have neither
        }
        pending_.emplace_back(Message::model, content);
        while (!pending_.empty()) {
            const auto [message, fields] = pending_.back();
            pending_.pop_back();
            walk(message, fields);
        }
    }

private:
    enum class Message { none, model, training, graph, function, node, attribute, sparse, tensor };
    enum Wire { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

    // The message in a field, where a tensor can be in it.
    static Message inside(Message message, std::uint64_t number) {
        struct Field {
            Message message;
            std::uint64_t number;
            Message found;
        };
        static constexpr Field fields[] = {
            {Message::model, 7, Message::graph},       {Message::model, 20, Message::training},
            {Message::model, 25, Message::function},   {Message::training, 1, Message::graph},
            {Message::training, 2, Message::graph},    {Message::graph, 1, Message::node},
            {Message::graph, 5, Message::tensor},      {Message::graph, 15, Message::sparse},
            {Message::function, 7, Message::node},     {Message::function, 11, Message::attribute},
            {Message::node, 5, Message::attribute},    {Message::attribute, 5, Message::tensor},
            {Message::attribute, 6, Message::graph},   {Message::attribute, 10, Message::tensor},
            {Message::attribute, 11, Message::graph},  {Message::attribute, 22, Message::sparse},
            {Message::attribute, 23, Message::sparse}, {Message::sparse, 1, Message::tensor},
            {Message::sparse, 2, Message::tensor},
        };
        const auto is_it = [&](const Field& each) { return each.message == message && each.number == number; };
        const auto* found = std::find_if(std::begin(fields), std::end(fields), is_it);
        return found == std::end(fields) ? Message::none : found->found;
    }

    void walk(Message message, std::string_view rest) {
        while (!rest.empty()) {
            const std::uint64_t tag = take_varint(rest), number = tag >> 3;
            if (number == 0 || number >= std::uint64_t{1} << 29) {
                refuse("is no ONNX model, or is cut short");
            }
            const std::string_view content = take_value(static_cast<int>(tag & 7), rest);
            const Message found = inside(message, number);
            if (found != Message::none) {
                if ((tag & 7) != bytes) {
                    refuse("is no ONNX model: a field is of another type");
                }
                pending_.emplace_back(found, content);
            } else if (message == Message::node && number == 4 && content == "EPContext") {
                refuse("has a node EPContext, which reads another file");
            } else if (message == Message::tensor && number == 13) {
                refuse("has a tensor whose data lie in another file");
            }
        }
    }

    std::string_view take_value(int wire, std::string_view& rest) const {
        const std::string_view start = rest;
        std::uint64_t nbytes = 0;
        switch (wire) {
            case varint: take_varint(rest); return start.substr(0, start.size() - rest.size());
            case fixed64: nbytes = 8; break;
            case fixed32: nbytes = 4; break;
            case bytes: nbytes = take_varint(rest); break;
            default: refuse("is no ONNX model: a field of no known type");
        }
        if (nbytes > rest.size()) {
            refuse("is no ONNX model, or is cut short");
        }
        const std::string_view value = rest.substr(0, static_cast<std::size_t>(nbytes));
        rest.remove_prefix(static_cast<std::size_t>(nbytes));
        return value;
    }

    std::uint64_t take_varint(std::string_view& rest) const {
        std::uint64_t number = 0;
        for (std::size_t i = 0; i < 10 && i < rest.size(); ++i) {
            const auto byte = static_cast<unsigned char>(rest[i]);
            number |= static_cast<std::uint64_t>(byte & 0x7f) << (7 * i);
            if (byte < 0x80) {
                rest.remove_prefix(i + 1);
                return number;
            }
        }
        refuse("is no ONNX model, or is cut short");
    }

    [[noreturn]] void refuse(const char* problem) const { throw input_error(place_, problem, "build the artifact again"); }

    std::string place_;
    std::vector<std::pair<Message, std::string_view>> pending_;
};

}  // namespace detail

// Check a serialized model of an artifact; `place` is what a message begins with.
inline void refuse_external_data(const std::string& content, const std::string& place) {
    detail::ExternalDataCheck(place).check(content);
}

}  // namespace tinyfoa
