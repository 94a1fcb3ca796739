// SPDX-License-Identifier: Apache-2.0
// What a trainer is opened with.
#pragma once

#include <cstddef>
#include <string>

namespace tinyfoa {

inline constexpr std::size_t no_budget = static_cast<std::size_t>(-1);

struct Options {
    int threads = 0;  // of a session; 0: one a core
    // RAM of a training step: 0 for that of the plan (none where it is a device's that runs generated C), no_budget for no limit.
    std::size_t budget_bytes = 0;
    std::string storage;  // folder of memory-mapped files with the latent weights of all slices; empty: in RAM
    // The library of kernels, libtinyfoa_ops (docs/kernels.md): its path; "auto", where the system's loader finds one and the
    // artifact can use it; "none" for function bodies.
    std::string kernels = "auto";
    std::size_t cache_bytes = std::size_t{1} << 28;  // what `fit` may keep of the blocks before
};

}  // namespace tinyfoa
