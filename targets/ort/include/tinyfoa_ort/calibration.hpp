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

// Return mean x^2 of what a block's layers read, for each of 500 samples, and measure the scales of one that is new, in their
// order, since what is scaled reads what was scaled before; another goes on with its own. `fill` puts batch k into the block's
// inputs. Steps at rate 0 change nothing but scales: from 0, a running mean that keeps a share m reaches (1 - m) of the batch's
// mean in a step. A calibration that fails leaves the scales as they were.
inline std::vector<double> calibrate(BlockTraining& training, ModelState& state, std::size_t batch,
                                     const std::function<void(std::size_t)>& fill, bool is_new) {
    const BlockRecord& record = training.record();
    const std::size_t num_batches = std::max<std::size_t>(1, calibration_samples / batch);
    std::vector<double> powers;
    std::vector<float> before;
    const auto scale = [&](std::size_t i) -> float& { return state.scale(names::own(record.binary[i], "scale")); };
    const auto put = [&](const std::vector<float>& scales) {
        for (std::size_t i = 0; i < scales.size(); ++i) {
            scale(i) = scales[i];
        }
    };
    for (std::size_t i = 0; i < record.binary.size(); ++i) {
        before.push_back(scale(i));
    }
    try {
        std::vector<float> measured;
        while (is_new && measured.size() < record.binary.size()) {
            const std::size_t next = measured.size();
            std::vector<double> scales;
            for (std::size_t k = 0; k < num_batches; ++k) {
                fill(k);
                training.begin_turn(0);
                put(measured);  // a step moves them too
                scale(next) = 0;
                training.step(0.0, 0, 0);
                scales.push_back(static_cast<double>(scale(next)));
            }
            measured.push_back(static_cast<float>(robust_mean(scales) / (1 - record.scale_momentum)));
        }
        put(measured);
        for (std::size_t k = 0; k < num_batches; ++k) {
            fill(k);
            const std::vector<double> found = training.input_powers();
            powers.insert(powers.end(), found.begin(), found.end());
        }
    } catch (...) {
        training.reset_optimizer();
        put(before);
        throw;
    }
    training.reset_optimizer();
    return powers;
}

}  // namespace tinyfoa
