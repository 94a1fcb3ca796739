// SPDX-License-Identifier: Apache-2.0
// How good predictions are.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include "tinyfoa_ort/samples.hpp"

namespace tinyfoa {

struct Evaluation {
    double loss = 0;               // mean over the samples (tinyfoa_rt/ir/losses.py)
    double accuracy = 0;           // share of samples, of a binary loss that of outputs, that are right; 0 for a regression
    double balanced_accuracy = 0;  // mean over the classes that occur of the share of each that is found; 0 for a regression
};

namespace detail {

// The loss of one sample with scores `s` and target `t`, by the loss's name.
inline double measure(const Manifest& manifest, const float* s, const Target& t) {
    const std::size_t width = manifest.num_outputs;
    const std::string& name = manifest.loss.name;
    const bool is_binary = name == "binary-cross-entropy";
    double loss = 0;
    if (name == "cross-entropy" && t.label != nullptr) {
        const auto largest = static_cast<double>(*std::max_element(s, s + width));
        for (std::size_t i = 0; i < width; ++i) {
            loss += std::exp(static_cast<double>(s[i]) - largest);
        }
        return std::log(loss) - (static_cast<double>(s[*t.label]) - largest);
    }
    if (t.values == nullptr || (!is_binary && name != "mean-squared-error")) {
        throw input_error("loss " + name, "is not measured by this trainer", "evaluate with Python's trainer");
    }
    for (std::size_t i = 0; i < width; ++i) {
        const auto score = static_cast<double>(s[i]), error = static_cast<double>(s[i] - t.values[i]);
        loss += is_binary
                    ? std::max(score, 0.0) - score * static_cast<double>(t.values[i]) + std::log1p(std::exp(-std::abs(score)))
                    : 0.5 * error * error / static_cast<double>(width);
    }
    return loss;
}

}  // namespace detail

// Label `i` of those that the scores of a sample predict, as many as labels_per_sample says.
inline std::int64_t predicted_label(const Manifest& manifest, const float* scores, std::size_t i) {
    const bool is_class = manifest.loss.prediction == "largest";
    return is_class ? std::max_element(scores, scores + manifest.num_outputs) - scores : scores[i] > 0;
}

// Counts right answers as scores come, sample by sample; of a regression there are none.
class Answers {
public:
    explicit Answers(const Manifest& manifest) : manifest_(manifest) {}

    void add(const float* scores, const Target& target) {
        for (std::size_t i = 0; i < manifest_.labels_per_sample(); ++i) {
            const std::int64_t label = target.label != nullptr ? *target.label : target.values[i] > 0.5F;
            count(label, predicted_label(manifest_, scores, i) == label);
        }
    }

    // Share of all that are right, and the mean of the shares of each label that occurs.
    double share() const { return num_all_ == 0 ? 0 : static_cast<double>(num_right_) / static_cast<double>(num_all_); }
    double balanced_share() const {
        double sum = 0;
        for (const auto& [label, counts] : counts_) {
            sum += static_cast<double>(counts.second) / static_cast<double>(counts.first) / static_cast<double>(counts_.size());
        }
        return sum;
    }

private:
    void count(std::int64_t label, bool is_right) {
        ++num_all_;
        num_right_ += is_right;
        ++counts_[label].first;
        counts_[label].second += is_right;
    }

    const Manifest& manifest_;
    std::size_t num_all_ = 0, num_right_ = 0;
    std::map<std::int64_t, std::pair<std::size_t, std::size_t>> counts_;  // of each label: all, right
};

// Measures scores as they come, row by row.
class Evaluator {
public:
    explicit Evaluator(const Manifest& manifest) : manifest_(manifest), answers_(manifest) {}

    void add(const float* scores, const Target& target) {
        ++num_rows_;
        loss_ += detail::measure(manifest_, scores, target);
        answers_.add(scores, target);
    }

    Evaluation result() const { return {loss_ / static_cast<double>(num_rows_), answers_.share(), answers_.balanced_share()}; }

private:
    const Manifest& manifest_;
    Answers answers_;
    std::size_t num_rows_ = 0;
    double loss_ = 0;
};

}  // namespace tinyfoa
