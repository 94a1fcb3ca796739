// SPDX-License-Identifier: Apache-2.0
// What is measured when a block begins: the scale of its output, and the mean square of what its layers read.
#pragma once

#include <algorithm>
#include <functional>

#include "tinyfoa_ort/block_training.hpp"
#include "tinyfoa_ort/model_state.hpp"

namespace tinyfoa {

// Measure the scale on 500 samples, and return the mean x^2 of the block's inputs. `fill` puts batch k into them. Steps at rate 0
// change nothing but the scale: from 0, a running mean that keeps a share m reaches (1 - m) of the batch's mean in a step. A
// calibration that fails leaves the scale as it was.
inline double calibrate(BlockTraining& training, ModelState& state, std::size_t batch,
                        const std::function<void(std::size_t)>& fill) {
    constexpr std::size_t num_samples = 500;
    const BlockRecord& record = training.record();
    const std::size_t num_batches = std::max<std::size_t>(1, num_samples / batch);
    double power = 0, scales = 0;
    float* scale = record.scale.empty() ? nullptr : &state.scale(record.scale);
    const float before = scale == nullptr ? 0 : *scale;
    try {
        for (std::size_t k = 0; k < num_batches; ++k) {
            fill(k);
            training.begin_turn(0);
            power += training.input_power() / static_cast<double>(num_batches);
            if (scale != nullptr) {
                *scale = 0;
                training.step(0.0);
                scales += static_cast<double>(*scale) / static_cast<double>(num_batches);
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
        *scale = static_cast<float>(scales / (1 - record.scale_momentum));
    }
    training.reset_optimizer();
    return power;
}

}  // namespace tinyfoa
