// SPDX-License-Identifier: Apache-2.0
// The order of samples: a function of seed, block and epoch, so that any epoch can be made again. It is not the order of numpy,
// so a training that goes on in Python shuffles the rest of its epoch anew.
#pragma once

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

namespace tinyfoa {

class SampleOrder {
public:
    SampleOrder(std::size_t num_samples, std::size_t batch, std::int64_t seed, std::int64_t block)
        : num_samples_(num_samples), batch_(batch), seed_(static_cast<std::uint64_t>(seed)),
          block_(static_cast<std::uint64_t>(block)) {}

    // Batches of an epoch: what does not fill a batch is left out; fewer samples than a batch are repeated.
    std::size_t num_batches() const { return num_samples_ < batch_ ? 1 : num_samples_ / batch_; }

    // All samples in the order of an epoch.
    std::vector<std::size_t> epoch(std::int64_t number) const {
        std::vector<std::size_t> rows(num_samples_);
        std::iota(rows.begin(), rows.end(), std::size_t{0});
        std::uint64_t state = mix(mix(mix(seed_) ^ block_) ^ static_cast<std::uint64_t>(number));
        for (std::size_t i = num_samples_; i > 1; --i) {
            state += 0x9e3779b97f4a7c15u;
            std::swap(rows[i - 1], rows[mix(state) % i]);
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
    // SplitMix64's output function (Steele, Lea and Flood, OOPSLA 2014).
    static std::uint64_t mix(std::uint64_t x) {
        x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
        x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
        return x ^ (x >> 31);
    }

    std::size_t num_samples_, batch_;
    std::uint64_t seed_, block_;
};

}  // namespace tinyfoa
