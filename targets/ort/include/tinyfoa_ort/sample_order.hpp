// SPDX-License-Identifier: Apache-2.0
// The order of samples: a function of seed, block and epoch, so that any epoch can be made again. It is not the order of numpy,
// so a training that goes on in Python shuffles the rest of its epoch anew. Samples may be drawn by weights instead of each being
// taken once, as in tinyfoa_rt/run/sample_order.py.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <numeric>
#include <utility>
#include <vector>

namespace tinyfoa {

class SampleOrder {
public:
    // With `classes` of all samples these are drawn: by 1 / sqrt(count) of their class, or by 1 / count where it `is_balanced`.
    SampleOrder(std::size_t num_samples, std::size_t batch, std::int64_t seed, std::int64_t block,
                std::vector<std::int64_t> classes = {}, bool is_balanced = false)
        : num_samples_(num_samples), batch_(batch), seed_(static_cast<std::uint64_t>(seed)),
          block_(static_cast<std::uint64_t>(block)), classes_(std::move(classes)) {
        for (const std::int64_t each : classes_) {
            weights_[each] += 1;
        }
        for (auto& [name, weight] : weights_) {
            weight = 1 / (is_balanced ? weight : std::sqrt(weight));
        }
    }

    // Batches of an epoch: what does not fill a batch is left out; fewer samples than a batch are repeated.
    std::size_t num_batches() const { return num_samples_ < batch_ ? 1 : num_samples_ / batch_; }

    // All samples in the order of an epoch.
    std::vector<std::size_t> epoch(std::int64_t number) const {
        std::vector<std::size_t> rows(num_samples_);
        std::iota(rows.begin(), rows.end(), std::size_t{0});
        std::uint64_t state = mix(mix(mix(seed_) ^ block_) ^ static_cast<std::uint64_t>(number));
        shuffle(rows, state);
        if (!classes_.empty()) {
            rows = draw(std::move(rows), static_cast<double>(next(state) >> 11) * 0x1p-53);
            shuffle(rows, state);
        }
        return rows;
    }

    std::vector<std::size_t> batch(const std::vector<std::size_t>& rows, std::size_t index) const {
        std::vector<std::size_t> found(batch_);
        for (std::size_t i = 0; i < batch_; ++i) {
            found[i] = rows[(index * batch_ + i) % rows.size()];
        }
        return found;
    }

private:
    // Take each row as often as its weight says, class by class; `start`, from 0 to 1, says which are rounded up.
    std::vector<std::size_t> draw(std::vector<std::size_t> rows, double start) const {
        std::stable_sort(rows.begin(), rows.end(), [&](std::size_t a, std::size_t b) { return classes_[a] < classes_[b]; });
        std::vector<double> ends;
        double total = 0;
        for (const std::size_t row : rows) {
            ends.push_back(total += weights_.at(classes_[row]));
        }
        std::vector<std::size_t> found;
        std::size_t at = 0;
        while (found.size() < rows.size()) {
            const double place = (start + static_cast<double>(found.size())) * total / static_cast<double>(rows.size());
            while (ends[at] <= place && at + 1 < rows.size()) {
                ++at;
            }
            found.push_back(rows[at]);
        }
        return found;
    }

    static void shuffle(std::vector<std::size_t>& rows, std::uint64_t& state) {
        for (std::size_t i = rows.size(); i > 1; --i) {
            std::swap(rows[i - 1], rows[next(state) % i]);
        }
    }

    static std::uint64_t next(std::uint64_t& state) {
        state += 0x9e3779b97f4a7c15u;
        return mix(state);
    }

    // SplitMix64's output function (Steele, Lea and Flood, OOPSLA 2014).
    static std::uint64_t mix(std::uint64_t x) {
        x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
        x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
        return x ^ (x >> 31);
    }

    std::size_t num_samples_, batch_;
    std::uint64_t seed_, block_;
    std::vector<std::int64_t> classes_;
    std::map<std::int64_t, double> weights_;  // of a sample, by its class
};

}  // namespace tinyfoa
