// SPDX-License-Identifier: Apache-2.0
// How long and how fast to train, and the rate over the steps of a block (docs/training.md).
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
    std::string sampling = "uniform";      // each sample once an epoch; or drawn by their class: sqrt or balanced
    std::vector<std::string> blocks;       // names of the blocks that are trained; none: all

    bool operator==(const TrainSettings& other) const {
        return std::tie(epochs, rate, rate_schedule, rotate_every, seed, sampling, blocks) ==
               std::tie(other.epochs, other.rate, other.rate_schedule, other.rotate_every, other.seed, other.sampling,
                        other.blocks);
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
        if (sampling != "uniform" && sampling != "sqrt" && sampling != "balanced") {
            throw usage_error("sampling " + sampling, "is not known", "use uniform, sqrt or balanced");
        }
        if (rotate_every < 0 || seed < 0) {
            throw usage_error(rotate_every < 0 ? "rotate_every" : "seed", "is below 0", "give a whole number from 0");
        }
    }
};

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
