// SPDX-License-Identifier: Apache-2.0
// What is measured when a block begins: the scale of its output, and the mean square of what its layers read.
#pragma once

#include <algorithm>
#include <functional>
#include <iterator>
#include <vector>

#include "tinyfoa_ort/block_training.hpp"
#include "tinyfoa_ort/model_state.hpp"

namespace tinyfoa {

// Samples from which the rate and the scale of a block are measured.
inline constexpr std::size_t calibration_samples = 500;

// Mean of numbers, none negative, each at most ten times the median of those above 0: a few outliers do not move it.
inline double robust_mean(const std::vector<double>& values) {
    std::vector<double> positive;
    std::copy_if(values.begin(), values.end(), std::back_inserter(positive), [](double value) { return value > 0; });
    if (positive.empty()) {
        return 0;
    }
    std::sort(positive.begin(), positive.end());
    const std::size_t middle = positive.size() / 2;
    const double median = positive.size() % 2 == 1 ? positive[middle] : 0.5 * (positive[middle - 1] + positive[middle]);
    double sum = 0;
    for (const double value : values) {
        sum += std::min(value, 10 * median);
    }
    return sum / static_cast<double>(values.size());
}

// Return mean x^2 of what a block's layers read, for each of 500 samples, and measure the scale of one that is new; another goes
// on with its own. `fill` puts batch k into the block's inputs. Steps at rate 0 change nothing but the scale: from 0, a running
// mean that keeps a share m reaches (1 - m) of the batch's mean in a step. A calibration that fails leaves the scale as it was.
inline std::vector<double> calibrate(BlockTraining& training, ModelState& state, std::size_t batch,
                                     const std::function<void(std::size_t)>& fill, bool is_new) {
    const BlockRecord& record = training.record();
    std::vector<double> powers, scales;
    float* scale = record.scale.empty() || !is_new ? nullptr : &state.scale(record.scale);
    const float before = scale == nullptr ? 0 : *scale;
    try {
        for (std::size_t k = 0; k < std::max<std::size_t>(1, calibration_samples / batch); ++k) {
            fill(k);
            training.begin_turn(0);
            const std::vector<double> found = training.input_powers();
            powers.insert(powers.end(), found.begin(), found.end());
            if (scale != nullptr) {
                *scale = 0;
                training.step(0.0, 0);
                scales.push_back(static_cast<double>(*scale));
            }
        }
    } catch (...) {
        training.reset_optimizer();
        if (scale != nullptr) {
            *scale = before;
        }
        throw;
    }
    if (scale != nullptr) {
        *scale = static_cast<float>(robust_mean(scales) / (1 - record.scale_momentum));
    }
    training.reset_optimizer();
    return powers;
}

}  // namespace tinyfoa
