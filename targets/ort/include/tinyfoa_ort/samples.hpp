// SPDX-License-Identifier: Apache-2.0
// Samples and targets as the caller has them, and how they become a batch of the model's input.
#pragma once

#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "tinyfoa_ort/manifest.hpp"
#include "tinyfoa_ort/normalization.hpp"
#include "tinyfoa_ort/sha256.hpp"

namespace tinyfoa {

// What a sample should give: the number of its class, or a value for each output.
struct Target {
    const std::int64_t* label = nullptr;
    const float* values = nullptr;
};

// Raw samples in C order, in the model's order of axes; memory of the caller.
struct Samples {
    const float* x = nullptr;
    std::size_t count = 0;
    const std::int64_t* labels = nullptr;  // a class from 0 for each sample, where the loss is of classes
    const float* targets = nullptr;        // else a vector of the model's outputs for each sample
    Shape shape;                           // of a raw sample; empty: as the model's input. Channels of a normalization lie in it
};

// Puts rows of samples into batches: float32, normalized.
class SampleReader {
public:
    SampleReader(const Manifest& manifest, const std::optional<Normalization>& normalization)
        : manifest_(manifest), normalization_(normalization),
          shape_(manifest.input_shape.begin() + 1, manifest.input_shape.end()) {}

    // Numbers of a sample.
    std::size_t size() const { return count_elements(shape_).value_or(0); }

    // Refuse what a step cannot take.
    void check(const Samples& samples, bool needs_targets) const {
        if (samples.count == 0 || samples.x == nullptr) {
            throw input_error("data", "has no samples", "give at least one");
        }
        if (!samples.shape.empty() && count_elements(samples.shape) != count_elements(shape_)) {
            const std::string problem = "samples have shape " + to_text(samples.shape) + ", the model's input " + to_text(shape_);
            throw input_error("data", problem, "give as many numbers a sample");
        }
        if (!needs_targets) {
            return;
        }
        if (manifest_.has_labels() ? samples.labels == nullptr : samples.targets == nullptr) {
            throw input_error("data", manifest_.has_labels() ? "has no labels" : "has no targets", "give one a sample");
        }
        for (std::size_t i = 0; manifest_.has_labels() && i < samples.count; ++i) {
            if (static_cast<std::uint64_t>(samples.labels[i]) >= width()) {  // below 0 too
                const std::string problem = "label " + std::to_string(samples.labels[i]) + " is outside 0 to ";
                throw input_error("data, row " + std::to_string(i), problem + std::to_string(width() - 1),
                                  "number the classes from 0");
            }
        }
        const bool are_shares = manifest_.loss.labels == "probabilities";
        for (std::size_t i = 0; !manifest_.has_labels() && i < samples.count * width(); ++i) {
            const float target = samples.targets[i];
            const bool is_finite = std::isfinite(target);
            if (!is_finite || (are_shares && (target < 0 || target > 1))) {
                throw input_error("data, row " + std::to_string(i / width()),
                                  is_finite ? "has a target that is not between 0 and 1" : "has a target that is NaN or Inf",
                                  "leave the row out");
            }
        }
    }

    // Refuse samples that `gather` would, before anything is trained on the first of them.
    void check_finite(const Samples& samples) const {
        std::vector<float> row(size());
        for (std::size_t i = 0; i < samples.count; ++i) {
            gather(samples, {i}, row.data());
        }
    }

    // A digest of raw samples and targets, as tinyfoa_rt/run/data_digest.py computes it: training goes on with the data it was
    // begun with.
    std::string digest(const Samples& samples) const {
        const std::string head = std::to_string(samples.count) + " " + std::to_string(size()) + "\n";
        Sha256 hash;
        hash.update(head.data(), head.size());
        hash.update(samples.x, samples.count * size() * sizeof(float));
        if (manifest_.has_labels()) {
            hash.update(samples.labels, samples.count * sizeof(std::int64_t));
        } else {
            hash.update(samples.targets, samples.count * width() * sizeof(float));
        }
        return hash.hex_digest();
    }

    // Copy `rows` of the samples to `to`, normalized.
    void gather(const Samples& samples, const std::vector<std::size_t>& rows, float* to) const {
        const Shape& shape = samples.shape.empty() ? shape_ : samples.shape;
        for (const std::size_t row : rows) {
            const float* from = samples.x + row * size();
            if (normalization_) {
                normalization_->apply(from, shape, to);
            } else {
                std::copy_n(from, size(), to);
            }
            for (std::size_t i = 0; i < size(); ++i) {
                if (!std::isfinite(to[i])) {
                    throw input_error("data, row " + std::to_string(row), "holds NaN or Inf", "leave the row out");
                }
            }
            to += size();
        }
    }

    // Copy the targets of `rows`.
    void gather_targets(const Samples& samples, const std::vector<std::size_t>& rows, Tensor& to) const {
        for (std::size_t i = 0; i < rows.size(); ++i) {
            const Target from = target(samples, rows[i]);
            if (from.label != nullptr) {
                to.data<std::int64_t>()[i] = *from.label;
            } else {
                std::copy_n(from.values, width(), to.data<float>() + i * width());
            }
        }
    }

    // The class of each sample, where it has one label.
    std::vector<std::int64_t> classes(const Samples& samples) const {
        std::vector<std::int64_t> found(samples.count);
        for (std::size_t row = 0; row < samples.count; ++row) {
            const Target from = target(samples, row);
            found[row] = from.label != nullptr ? *from.label : *from.values > 0.5F;
        }
        return found;
    }

    Target target(const Samples& samples, std::size_t row) const {
        return manifest_.has_labels() ? Target{samples.labels + row, nullptr} : Target{nullptr, samples.targets + row * width()};
    }

private:
    std::size_t width() const { return manifest_.num_outputs; }

    const Manifest& manifest_;
    const std::optional<Normalization>& normalization_;
    Shape shape_;
};

}  // namespace tinyfoa
