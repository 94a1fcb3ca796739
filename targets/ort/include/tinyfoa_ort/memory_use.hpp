// SPDX-License-Identifier: Apache-2.0
// What a training step takes of RAM: what the trainer holds for it, and what onnxruntime allocates while it runs.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>

#include "tinyfoa_ort/budget.hpp"
#include "tinyfoa_ort/error.hpp"

namespace tinyfoa {

class MemoryUse {
public:
    // Without a budget nothing is counted.
    explicit MemoryUse(std::size_t budget_bytes) : budget_(budget_bytes) {}

    // Bytes of the last run that succeeded, and the most of any; after a step the last run is the step.
    std::size_t last_run_bytes() const { return last_run_; }
    std::size_t peak_bytes() const { return peak_; }

    // Run what allocates from onnxruntime's allocator, while the trainer holds `held_nbytes` of its own.
    void run(std::size_t held_nbytes, const std::function<void()>& body) {
        if (budget_ == 0) {
            body();
            return;
        }
        if (held_nbytes > budget_) {
            throw exceeded(held_nbytes);
        }
        const CountingAllocator::Charge charge(account_);
        account_.begin(budget_ - held_nbytes);
        try {
            body();
        } catch (const Error&) {
            if (account_.is_exceeded()) {
                throw exceeded(held_nbytes + account_.peak());
            }
            throw;
        }
        last_run_ = held_nbytes + account_.peak();
        peak_ = std::max(peak_, last_run_);
    }

private:
    Error exceeded(std::size_t nbytes) const {
        const std::string problem = "budget exceeded: a step that holds " + std::to_string(nbytes) + " bytes needs more than ";
        return Error(Status::budget_exceeded, "memory", problem + std::to_string(budget_),
                     "give a larger budget, or build a plan for this one");
    }

    std::size_t budget_;
    Account account_;
    std::size_t last_run_ = 0;
    std::size_t peak_ = 0;
};

}  // namespace tinyfoa
