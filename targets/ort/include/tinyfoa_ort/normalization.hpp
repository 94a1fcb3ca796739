// SPDX-License-Identifier: Apache-2.0
// (x - mean) / std of samples, one number or one a channel; recorded with a checkpoint.
#pragma once

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "tinyfoa_ort/error.hpp"
#include "tinyfoa_ort/json.hpp"
#include "tinyfoa_ort/record_reader.hpp"
#include "tinyfoa_ort/tensor.hpp"

namespace tinyfoa {

struct Normalization {
    std::vector<double> mean, std;  // one number, or one a channel
    std::int64_t axis = 1;          // of the channels in samples (N, ...), where there is more than one number
    bool has_channels = false;      // lists, though of one number perhaps

    bool operator==(const Normalization& other) const {
        return mean == other.mean && std == other.std && axis == other.axis && has_channels == other.has_channels;
    }

    void check() const {
        bool is_good = !mean.empty() && mean.size() == std.size() && axis >= 1 && axis < 32 && (has_channels || mean.size() == 1);
        for (std::size_t i = 0; is_good && i < mean.size(); ++i) {
            constexpr double largest = std::numeric_limits<float>::max(), smallest = std::numeric_limits<float>::min();
            is_good = std::fabs(mean[i]) <= largest && std::fabs(std[i]) <= largest && std[i] >= smallest;
        }
        if (!is_good) {
            throw input_error("normalization", "is not mean, std above 0 and axis", "measure it on the training set");
        }
    }

    // Normalize a sample of `shape`.
    void apply(const float* x, const Shape& shape, float* to) const {
        const std::size_t size = count_elements(shape).value_or(0);
        std::size_t inner = size, channels = 1;
        if (has_channels) {
            const auto at = static_cast<std::size_t>(axis - 1);
            channels = mean.size();
            if (at >= shape.size() || static_cast<std::size_t>(shape[at]) != channels) {
                const std::string problem = "have shape " + to_text(shape) + "; axis " + std::to_string(axis) + " should have ";
                throw input_error("samples", problem + std::to_string(channels) + " channels", "give the shape of a raw sample");
            }
            inner = count_elements(Shape(shape.begin() + axis, shape.end())).value_or(0);
        }
        for (std::size_t i = 0; i < size; ++i) {
            const std::size_t channel = i / inner % channels;
            to[i] = (x[i] - static_cast<float>(mean[channel])) * (1.0f / static_cast<float>(std[channel]));
        }
    }

    Json to_json() const {
        const auto statistic = [this](const std::vector<double>& numbers) {
            return has_channels ? Json::list(numbers, Json::real) : Json::real(numbers[0]);
        };
        Json value = Json::object();
        value.add("mean", statistic(mean)).add("std", statistic(std)).add("axis", Json::integer(axis));
        return value;
    }

    static Normalization from_json(const std::string& place, const Json& value) {
        RecordReader reader(place, value, "start training anew");
        Normalization found;
        found.has_channels = reader.any("mean")->is(Json::Type::array);
        const auto statistic = [&](const std::string& key) {
            return found.has_channels ? reader.numbers(key) : std::vector<double>{reader.number(key)};
        };
        found.mean = statistic("mean");
        found.std = statistic("std");
        found.axis = reader.integer("axis", 1);
        found.check();
        return found;
    }
};

}  // namespace tinyfoa
