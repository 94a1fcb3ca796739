// SPDX-License-Identifier: Apache-2.0
// What a trainer is opened with.
#pragma once

#include <cstddef>
#include <string>

namespace tinyfoa {

struct Options {
    int threads = 0;               // of a session; 0: one a core
    std::size_t budget_bytes = 0;  // RAM of a training step; 0: no limit
    std::string storage;           // folder of memory-mapped files with the latent weights of all slices; empty: in RAM
    // The library of kernels, libtinyfoa_ops (docs/kernels.md): its path; "auto", where the system's loader finds one and the
    // artifact can use it; "none" for function bodies.
    std::string kernels = "auto";
    std::size_t cache_bytes = std::size_t{1} << 28;  // what `fit` may keep of the blocks before
};

}  // namespace tinyfoa
