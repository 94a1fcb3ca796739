// SPDX-License-Identifier: Apache-2.0
// Where a block's batches come from: the samples, the forward pass on them, or a cache of what enters the block.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "tinyfoa_ort/block_training.hpp"
#include "tinyfoa_ort/cache.hpp"
#include "tinyfoa_ort/forward.hpp"
#include "tinyfoa_ort/memory_use.hpp"
#include "tinyfoa_ort/sample_order.hpp"
#include "tinyfoa_ort/samples.hpp"

namespace tinyfoa {

class BlockFeed {
public:
    BlockFeed(const Artifact& artifact, ForwardPass& forward, const SampleReader& reader, MemoryUse& memory,
              std::size_t cache_bytes)
        : artifact_(artifact), forward_(forward), reader_(reader), memory_(memory), cache_bytes_(cache_bytes) {}

    // Prepare for block `index` on a fixed set: while it trains, the blocks before it do not change, so what enters it is
    // computed once, if it fits.
    void open(std::size_t index, const Samples& samples) {
        if (cached_block_ == index || !forward_.has_stages(index)) {
            return;
        }
        ActivationCache filled(samples.count, cache_bytes_);
        std::vector<std::size_t> rows;
        for (std::size_t start = 0; start < samples.count; start += rows.size()) {
            rows.resize(std::min(pass_rows(), samples.count - start));
            std::iota(rows.begin(), rows.end(), start);
            bool fits = false;
            forward_.open();
            memory_.run(0, [&] { fits = filled.put(start, rows.size(), compute(samples, rows, index)); });
            if (!fits) {
                forget();
                return;
            }
        }
        cache_.emplace(std::move(filled));
        cached_block_ = index;
    }

    void forget() {
        cache_.reset();
        cached_block_ = nothing;
    }

    // Put rows of the fixed set into the inputs of a block that was opened, and their targets.
    void fill(const Samples& samples, const std::vector<std::size_t>& rows, BlockTraining& training) {
        if (cached_block_ != index_of(training)) {
            fill_from_samples(samples, rows, training);
            return;
        }
        for (auto& [name, tensor] : training.inputs()) {
            cache_->gather(rows, name, tensor);
        }
        reader_.gather_targets(samples, rows, training.target());
    }

    // As `fill`, by the forward pass.
    void fill_from_samples(const Samples& samples, const std::vector<std::size_t>& rows, BlockTraining& training) {
        const std::size_t index = index_of(training);
        if (forward_.has_stages(index)) {
            forward_.open();
            for (std::size_t start = 0; start < rows.size(); start += pass_rows()) {
                const auto begin = rows.begin() + static_cast<std::ptrdiff_t>(start);
                const std::size_t count = std::min(pass_rows(), rows.size() - start);
                const std::vector<std::size_t> part(begin, begin + static_cast<std::ptrdiff_t>(count));
                const std::size_t x_nbytes = count * reader_.size() * sizeof(float);
                memory_.run(training.held_nbytes() + x_nbytes, [&] {
                    const Activations values = forward_.to_block(gather(samples, part), index);
                    for (auto& [name, tensor] : training.inputs()) {
                        copy(values, name, tensor, {start, count, rows.size()});
                    }
                });
            }
        } else {
            Tensor* input = find_input(training);
            reader_.gather(samples, rows, input->data<float>());
        }
        reader_.gather_targets(samples, rows, training.target());
    }

    // Call `visit(row, scores)` for each of `rows`.
    void visit_scores(const Samples& samples, const std::vector<std::size_t>& rows,
                      const std::function<void(std::size_t, const float*)>& visit) {
        const Manifest& manifest = artifact_.manifest();
        forward_.open();
        memory_.run(0, [&] {
            const Activations values = forward_.to_block(gather(samples, rows), manifest.blocks.size());
            const auto found = values.find(manifest.score);
            const std::optional<std::size_t> size = found == values.end() ? 0 : count_elements(found->second.tensor.shape);
            if (size != rows.size() * manifest.num_outputs || found->second.tensor.dtype != Dtype::float32) {
                throw input_error("artifact", "does not compute the scores that its manifest names", detail::build_again);
            }
            const auto* scores = static_cast<const float*>(found->second.tensor.read);
            for (std::size_t i = 0; i < rows.size(); ++i) {
                visit(i, scores + i * manifest.num_outputs);
            }
        });
    }

private:
    static constexpr std::size_t nothing = static_cast<std::size_t>(-1);

    // Rows `start` to `start + count` of `all`.
    struct Part {
        std::size_t start, count, all;
    };

    std::size_t pass_rows() const { return artifact_.manifest().rows; }

    std::size_t index_of(const BlockTraining& training) const {
        return static_cast<std::size_t>(&training.record() - artifact_.manifest().blocks.data());
    }

    std::shared_ptr<const Tensor> gather(const Samples& samples, const std::vector<std::size_t>& rows) const {
        Shape shape = artifact_.manifest().input_shape;
        shape[0] = static_cast<std::int64_t>(rows.size());
        auto x = std::make_shared<Tensor>(Dtype::float32, shape);
        reader_.gather(samples, rows, x->data<float>());
        return x;
    }

    // What enters block `index`, from the cache of an earlier block where there is one.
    Activations compute(const Samples& samples, const std::vector<std::size_t>& rows, std::size_t index) {
        return cache_ ? forward_.advance(cache_->gather(rows), cached_block_ + 1, index)
                      : forward_.to_block(gather(samples, rows), index);
    }

    static void copy(const Activations& values, const std::string& name, Tensor& to, const Part& part) {
        const auto found = values.find(name);
        const std::size_t row_nbytes = to.nbytes() / part.all;
        if (found == values.end() || found->second.tensor.dtype != to.dtype() ||
            found->second.nbytes() != part.count * row_nbytes) {
            throw input_error("artifact", "the forward pass does not compute '" + name + "' as the step reads it",
                              detail::build_again);
        }
        std::memcpy(to.data() + part.start * row_nbytes, found->second.tensor.read, part.count * row_nbytes);
    }

    Tensor* find_input(BlockTraining& training) const {
        const auto found = training.inputs().find(artifact_.manifest().input);
        const bool fits = training.inputs().size() == 1 && found != training.inputs().end() &&
                          found->second.dtype() == Dtype::float32 &&
                          found->second.size() == artifact_.manifest().batch * reader_.size();
        if (!fits) {
            throw input_error("artifact", "block " + training.record().name + " does not read the model's input",
                              detail::build_again);
        }
        return &found->second;
    }

    const Artifact& artifact_;
    ForwardPass& forward_;
    const SampleReader& reader_;
    MemoryUse& memory_;
    std::size_t cache_bytes_;
    std::optional<ActivationCache> cache_;
    std::size_t cached_block_ = nothing;
};

}  // namespace tinyfoa
