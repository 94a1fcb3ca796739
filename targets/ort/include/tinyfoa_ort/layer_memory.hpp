// SPDX-License-Identifier: Apache-2.0
// What a trained layer keeps between steps, whole and current after every step. Checkpoints hold exactly this.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "tinyfoa_ort/names.hpp"
#include "tinyfoa_ort/sliced_tensor.hpp"

namespace tinyfoa {

// Latent weights are (positions, taps, inputs, outputs); a convolution has one position, a dense layer one tap too. Biases are
// (outputs, positions); abs_sums, the sum |W| of each output within each band of inputs, are (bands, positions, outputs).
struct LayerMemory {
    LayerMemory(const LayerRecord& record, const OptimizerRecord& optimizer, const std::string& folder, Dtype dtype)
        : name(record.name), weight_shape(record.shape), is_local(record.kind == "local"), is_binary(record.is_binary),
          grid(record), positions(is_local ? static_cast<std::size_t>(record.shape[0]) : 1),
          taps(record.shape.size() == 2 ? 1 : static_cast<std::size_t>(record.shape[is_local])),
          latent(positions * taps, grid, folder, dtype), abs_sums(grid.num_bands() * positions * grid.num_outs()),
          bias(record.has_bias ? grid.num_outs() * positions : 0), states(optimizer.states), scalars(optimizer.scalars),
          weight_scalars(scalars.size(), std::vector<float>(grid.count())),
          bias_scalars(record.has_bias ? weight_scalars : std::vector<std::vector<float>>()),
          step_counts(optimizer.counts_steps ? grid.count() : 0) {
        for (std::size_t i = 0; i < states.size(); ++i) {
            moments.emplace_back(positions * taps, grid, folder);
            bias_moments.emplace_back(grid.num_bands() * bias.size());
        }
    }

    bool has_bias() const { return !bias.empty(); }
    bool has_integers() const { return latent.dtype() != Dtype::float32; }

    // All that must be kept, under the names of checkpoints.
    std::vector<StoredTensor> stored() {
        std::vector<StoredTensor> found = {latent.stored(own("weight"), weight_shape)};
        if (has_integers()) {
            found.push_back(StoredTensor::whole(names::quantum_of(own("weight")), Dtype::float32, {}, &quantum));
        }
        const std::int64_t num_bands = as_size(grid.num_bands()), num_outs = as_size(grid.num_outs());
        const Shape sums = is_local ? Shape{num_bands, as_size(positions), num_outs} : Shape{num_bands, num_outs};
        found.push_back(StoredTensor::whole(own("abs_sums"), Dtype::float32, sums, abs_sums.data()));
        const Shape bias_shape = is_local ? Shape{num_outs, as_size(positions)} : Shape{num_outs};
        if (has_bias()) {
            found.push_back(StoredTensor::whole(own("bias"), Dtype::float32, bias_shape, bias.data()));
        }
        for (std::size_t i = 0; i < states.size(); ++i) {
            found.push_back(moments[i].stored(names::own(own("weight"), states[i]), weight_shape));
            if (has_bias()) {
                Shape shape = bias_shape;
                shape.insert(shape.begin(), num_bands);
                found.push_back(
                    StoredTensor::whole(names::own(own("bias"), states[i]), Dtype::float32, shape, bias_moments[i].data()));
            }
        }
        const Shape shape = {as_size(grid.count())};
        const auto add_scalars = [&](const std::string& parameter, std::vector<std::vector<float>>& of) {
            for (std::size_t i = 0; i < of.size(); ++i) {
                found.push_back(StoredTensor::whole(names::own(own(parameter), scalars[i]), Dtype::float32, shape, of[i].data()));
            }
        };
        add_scalars("weight", weight_scalars);
        add_scalars("bias", bias_scalars);
        if (!step_counts.empty()) {
            found.push_back(StoredTensor::whole(own("step_count"), Dtype::int32, shape, step_counts.data()));
        }
        return found;
    }

    // Sum |W| anew, for weights that a training begins with; those of whole numbers are exact, and then times the quantum.
    void derive_abs_sums() {
        std::fill(abs_sums.begin(), abs_sums.end(), 0.0f);
        std::vector<std::int32_t> totals(has_integers() ? abs_sums.size() : 0);
        const std::size_t num_ins = grid.num_ins(), num_outs = grid.num_outs();
        latent.visit_in_order([&](const void* numbers, std::size_t count, std::size_t at) {
            const std::size_t out = at % num_outs, in = at / num_outs % num_ins, position = at / num_outs / num_ins / taps;
            const std::size_t first = (band_of(in) * positions + position) * num_outs + out;
            visit_weights(latent.dtype(), numbers, [&](const auto* typed) {
                for (std::size_t k = 0; k < count; ++k) {
                    if (has_integers()) {
                        totals[first + k] += std::abs(static_cast<std::int32_t>(typed[k]));
                    } else {
                        abs_sums[first + k] += std::fabs(static_cast<float>(typed[k]));
                    }
                }
            });
        });
        std::transform(totals.begin(), totals.end(), abs_sums.begin(),
                       [this](std::int32_t total) { return static_cast<float>(total) * quantum; });
    }

    void reset_optimizer() {
        for (std::size_t i = 0; i < states.size(); ++i) {
            moments[i].fill_with_zeros();
            std::fill(bias_moments[i].begin(), bias_moments[i].end(), 0.0f);
        }
        for (std::vector<std::vector<float>>* of : {&weight_scalars, &bias_scalars}) {
            for (std::vector<float>& numbers : *of) {
                std::fill(numbers.begin(), numbers.end(), 0.0f);
            }
        }
        std::fill(step_counts.begin(), step_counts.end(), 0);
    }

    std::string own(const std::string& role) const { return names::own(name, role); }

    std::string name;
    Shape weight_shape;  // as files have it
    bool is_local;
    bool is_binary;
    Grid grid;
    std::size_t positions, taps;
    SlicedTensor latent;
    float quantum = 1;  // what one unit of weights that are whole numbers is worth
    std::vector<float> abs_sums, bias;
    std::vector<std::string> states;  // names of what the optimizer keeps
    std::vector<SlicedTensor> moments;
    std::vector<std::vector<float>> bias_moments;                  // (bands, outputs, positions) each
    std::vector<std::string> scalars;                              // names of the numbers that the optimizer keeps of a slice
    std::vector<std::vector<float>> weight_scalars, bias_scalars;  // each has one a slice; of biases none where there are none
    std::vector<std::int32_t> step_counts;                         // one a slice

private:
    std::size_t band_of(std::size_t in) const {
        std::size_t band = 0;
        while (band + 1 < grid.num_bands() && grid.first_in(band + 1) <= in) {
            ++band;
        }
        return band;
    }
};

}  // namespace tinyfoa
