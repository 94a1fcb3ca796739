// SPDX-License-Identifier: Apache-2.0
// How long and how fast to train, and the rate that follows where nothing is set (docs/training.md).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "tinyfoa_ort/error.hpp"

namespace tinyfoa {

struct TrainSettings {
    std::int64_t epochs = 10;              // passes over the data for each block
    double rate = 1.0;                     // factor on the recipe's rate
    std::string rate_schedule = "cosine";  // up, then down to zero over a block's epochs, or constant
    std::int64_t rotate_every = 0;         // steps that a slice stays; 0: the recipe's own
    std::int64_t seed = 0;                 // of the order of samples
    std::vector<std::string> blocks;       // names of the blocks that are trained; none: all

    bool operator==(const TrainSettings& other) const {
        return std::tie(epochs, rate, rate_schedule, rotate_every, seed, blocks) ==
               std::tie(other.epochs, other.rate, other.rate_schedule, other.rotate_every, other.seed, other.blocks);
    }

    bool trains(const std::string& block) const {
        return blocks.empty() || std::find(blocks.begin(), blocks.end(), block) != blocks.end();
    }

    std::int64_t steps_a_turn() const { return rotate_every == 0 ? 1 : rotate_every; }

    void check() const {
        if (epochs < 1 || epochs > 1000000) {
            throw usage_error("epochs " + std::to_string(epochs), "is not between 1 and 1,000,000", "give a number such as 10");
        }
        if (!(rate > 0) || !std::isfinite(rate)) {
            throw usage_error("rate", "is not above 0", "it multiplies the recipe's rate: begin with 1");
        }
        if (rate_schedule != "cosine" && rate_schedule != "constant") {
            throw usage_error("rate_schedule " + rate_schedule, "is not known", "use cosine or constant");
        }
        if (rotate_every < 0 || seed < 0) {
            throw usage_error(rotate_every < 0 ? "rotate_every" : "seed", "is below 0", "give a whole number from 0");
        }
    }
};

// What the rate of a block depends on.
struct BlockSize {
    double units = 0;           // 0: a classifier
    double unit_positions = 1;  // positions that a unit is the mean of
    double fan_in = 0;          // inputs of an output
    double num_slices = 0;
    double weight_positions = 1;     // positions at which a weight is used
    double input_power = 0;          // mean x^2
    double squared_outputs = 0;      // of a model's own output with a squared error
    bool is_behind_kernels = false;  // a classifier behind convolutions that learn from scratch
};

// The rate at which a block starts; the reasons are in tinyfoa_rt/artifact/settings.py.
inline double rate_of_block(const std::string& optimizer, double batch, const BlockSize& size) {
    constexpr double reference_batch = 100, reference_inputs = 784, least_input_power = 0.25, most_units = 2000,
                     most_of_kernels = 4, least_boost_behind_kernels = 2;
    const double base = optimizer == "adam" ? 6e-5 : optimizer == "momentum" ? 0.005 : 0.05;
    const double of_slices = std::min(0.5 * size.num_slices, 0.75 * std::sqrt(size.num_slices));
    const double boost = size.is_behind_kernels ? std::max(of_slices, least_boost_behind_kernels) : of_slices;
    if (optimizer == "adam") {
        return base * std::sqrt(batch / reference_batch * 2000 * boost);
    }
    const double input_energy = size.fan_in * std::max(size.input_power, least_input_power);
    const double units = size.units > 0 ? size.units : 2;
    const bool is_squared = size.units == 0 && size.squared_outputs > 0;
    const double uses = std::min(size.unit_positions, size.weight_positions);
    const double spread =
        is_squared ? size.squared_outputs / 40
                   : size.unit_positions / uses * std::sqrt(std::min(units * uses / size.weight_positions, most_units));
    const double rate = base * spread * batch / reference_batch * reference_inputs / input_energy;
    return boost * (size.weight_positions > 1 ? std::min(rate, most_of_kernels) : rate);
}

// The rate of step `step` of `num_steps`: constant, or up over the first tenth and down to zero on half a cosine wave.
inline double rate_at(double start, const std::string& schedule, std::int64_t step, std::int64_t num_steps) {
    constexpr double pi = 3.14159265358979323846, warm_ups = 10;
    if (schedule == "constant") {
        return start;
    }
    const double at = static_cast<double>(step), all = static_cast<double>(num_steps);
    const double warm_up = std::min(1.0, warm_ups * (at + 1) / all);
    return start * warm_up * 0.5 * (1 + std::cos(pi * at / all));
}

}  // namespace tinyfoa
