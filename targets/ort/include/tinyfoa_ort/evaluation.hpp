// SPDX-License-Identifier: Apache-2.0
// How good predictions are.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>

#include "tinyfoa_ort/samples.hpp"

namespace tinyfoa {

struct Evaluation {
    double loss = 0;               // mean cross entropy, of a binary one the sum over the outputs; or half the mean squared error
    double accuracy = 0;           // share of samples, of a binary cross entropy of outputs, that are right; 0 for a regression
    double balanced_accuracy = 0;  // mean over the classes that occur of the share of each that is found; 0 for a regression
};

// Measures scores as they come, row by row.
class Evaluator {
public:
    explicit Evaluator(const Manifest& manifest)
        : num_outputs_(static_cast<std::size_t>(manifest.num_outputs)), is_classification_(manifest.is_classification()),
          is_regression_(manifest.is_regression()) {}

    void add(const float* scores, const Samples& samples, std::size_t row) {
        ++num_rows_;
        if (!is_classification_ && !is_regression_) {
            for (std::size_t i = 0; i < num_outputs_; ++i) {
                const double score = static_cast<double>(scores[i]);
                const double target = static_cast<double>(samples.targets[row * num_outputs_ + i]);
                loss_ += std::max(score, 0.0) - score * target + std::log1p(std::exp(-std::abs(score)));
                count(target > 0.5, (score > 0) == (target > 0.5));
            }
            return;
        }
        if (is_regression_) {
            for (std::size_t i = 0; i < num_outputs_; ++i) {
                const double error = static_cast<double>(scores[i] - samples.targets[row * num_outputs_ + i]);
                loss_ += 0.5 * error * error / static_cast<double>(num_outputs_);
            }
            return;
        }
        const std::int64_t label = samples.labels[row];
        const float* best = std::max_element(scores, scores + num_outputs_);
        double sum = 0;
        for (std::size_t i = 0; i < num_outputs_; ++i) {
            sum += std::exp(static_cast<double>(scores[i]) - static_cast<double>(*best));
        }
        loss_ += std::log(sum) - (static_cast<double>(scores[label]) - static_cast<double>(*best));
        count(label, best - scores == label);
    }

    Evaluation result() const {
        Evaluation found;
        found.loss = loss_ / static_cast<double>(num_rows_);
        for (const auto& [label, counts] : counts_) {
            found.accuracy += static_cast<double>(counts.right) / static_cast<double>(num_counted_);
            const double share = static_cast<double>(counts.right) / static_cast<double>(counts.all);
            found.balanced_accuracy += share / static_cast<double>(counts_.size());
        }
        return found;
    }

private:
    struct Counts {
        std::size_t all = 0, right = 0;
    };

    void count(std::int64_t label, bool is_right) {
        ++num_counted_;
        ++counts_[label].all;
        counts_[label].right += is_right;
    }

    std::size_t num_outputs_;
    bool is_classification_, is_regression_;
    std::size_t num_rows_ = 0, num_counted_ = 0;
    double loss_ = 0;
    std::map<std::int64_t, Counts> counts_;
};

}  // namespace tinyfoa
