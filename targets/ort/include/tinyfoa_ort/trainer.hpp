// SPDX-License-Identifier: Apache-2.0
// The trainer: opens an artifact, trains its blocks, predicts, saves and goes on from a checkpoint.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "tinyfoa_ort/artifact.hpp"
#include "tinyfoa_ort/block_training.hpp"
#include "tinyfoa_ort/calibration.hpp"
#include "tinyfoa_ort/checkpoint.hpp"
#include "tinyfoa_ort/evaluation.hpp"
#include "tinyfoa_ort/feed.hpp"
#include "tinyfoa_ort/forward.hpp"
#include "tinyfoa_ort/inference.hpp"
#include "tinyfoa_ort/memory_use.hpp"
#include "tinyfoa_ort/model_state.hpp"
#include "tinyfoa_ort/progress.hpp"
#include "tinyfoa_ort/samples.hpp"

namespace tinyfoa {

// One step of `fit`, for people and for the log.
struct Report {
    std::string block;
    std::int64_t epoch = 0;        // of the block, from 0
    std::int64_t step = 0;         // of the block, from 0
    std::int64_t num_steps = 0;    // that the block takes in all
    std::int64_t total_steps = 0;  // of all blocks so far, this one included
    StepResult result;
};

class Trainer {
public:
    // Called after each step of `fit`; false stops, and `fit` may be called again to go on.
    using OnStep = std::function<bool(const Report&)>;

    // Begin anew with the artifact in a folder.
    static Trainer open(const fs::path& folder, const Options& options = {}) { return Trainer(folder, options); }

    // Go on from the checkpoint in a folder that `save` or the Python trainer has written.
    static Trainer resume(const fs::path& folder, const Options& options = {}) {
        Trainer trainer(folder, options);
        auto [progress, file] = CheckpointFolder(folder / checkpoint_name).load(trainer.manifest().id);
        trainer.parts_->state.restore(file);
        if (progress.block > trainer.manifest().blocks.size()) {
            throw input_error("checkpoint, progress", "is beyond the last block", "start training anew");
        }
        trainer.parts_->progress = std::move(progress);
        return trainer;
    }

    const Manifest& manifest() const { return parts_->artifact.manifest(); }
    const Progress& progress() const { return parts_->progress; }
    const MemoryUse& memory() const { return parts_->memory; }
    // Numbers of a sample.
    std::size_t sample_size() const { return parts_->reader.size(); }
    // Whether the library of kernels computes, on packed bits; else function bodies.
    bool has_kernels() const { return parts_->kernels != nullptr; }
    bool is_done() const { return progress().block >= manifest().blocks.size(); }

    // Set how the next `fit` trains. One that was stopped goes on as it was begun: restart leaves it.
    void set_settings(const TrainSettings& settings) {
        settings.check();
        for (const std::string& name : settings.blocks) {
            const auto has_name = [&](const BlockRecord& block) { return block.name == name; };
            if (std::none_of(manifest().blocks.begin(), manifest().blocks.end(), has_name)) {
                throw usage_error("block " + name, "is not trained in this artifact", "name a block of its manifest");
            }
        }
        if (settings.sampling != "uniform" && manifest().labels_per_sample() != 1) {
            throw usage_error("sampling " + settings.sampling,
                              "needs one class a sample, and the loss is " + manifest().loss.name,
                              "leave it out, and repeat rare samples in the data");
        }
        refuse_other(!(settings == progress().settings), "settings");
        parts_->progress.settings = settings;
    }
    void set_normalization(const std::optional<Normalization>& normalization) {
        if (normalization) {
            normalization->check();
        }
        refuse_other(!(normalization == progress().normalization), "normalization");
        parts_->progress.normalization = normalization;
    }

    // Leave a `fit` that was stopped: the next one begins a round from the present weights, a stream block 0.
    void restart() {
        close_block();
        parts_->progress.begin(std::nullopt);
    }

    // Train on a stream: take one step of the block in training, at a constant rate; after a `fit` that is the last block, unless
    // train_block says another. Fewer samples than a batch are repeated.
    StepResult train_step(const Samples& samples) {
        const std::size_t batch = manifest().batch;
        if (samples.count > batch) {
            throw usage_error("train_step", "takes up to " + std::to_string(batch) + " samples, a batch of the plan",
                              "give fewer at a time");
        }
        reader().check(samples, true);
        reader().check_finite(samples);
        check_order();
        if (progress().data) {  // the round is left, and with it its count of steps
            train_block(std::min(progress().block, manifest().blocks.size() - 1));
        }
        BlockTraining& training = begin_block();
        std::vector<std::size_t> rows(batch);
        for (std::size_t i = 0; i < batch; ++i) {
            rows[i] = i % samples.count;
        }
        feed().fill_from_samples(samples, rows, training);
        const Progress before = progress();
        try {
            follow_power(training);
            return step(training, *progress().rate_of(training.record().name) * progress().settings.rate);
        } catch (...) {
            parts_->progress = before;  // what has failed was not seen
            throw;
        }
    }

    // End the training of the current block on a stream.
    void next_block() {
        if (is_done()) {
            throw usage_error("next_block", "all blocks are trained", "save the model, or go back with train_block");
        }
        finish_block();
    }

    // Go (back) to a block on a stream; one that has been trained goes on at the rate measured for it.
    void train_block(std::size_t index) {
        if (index >= manifest().blocks.size()) {
            throw usage_error("train_block", "there are " + std::to_string(manifest().blocks.size()) + " blocks",
                              "count them from 0");
        }
        close_block();
        parts_->progress.data.reset();
        parts_->progress.block = index;
        parts_->progress.step = 0;
    }

    // Train every block, or those that the settings name, on a fixed set. Where a `fit` was stopped it goes on, with the same
    // data; else a round begins from the present weights: rates are measured anew and optimizer state is forgotten.
    void fit(const Samples& samples, const OnStep& on_step = nullptr) {
        reader().check(samples, true);
        reader().check_finite(samples);
        check_order();
        begin_or_go_on(reader().digest(samples));
        feed().forget();
        while (!is_done() && (!trains_current_block() || fit_block(samples, on_step))) {
            finish_block();
        }
        feed().forget();
    }

    // The scores (count, outputs) of raw samples: the output before Softmax, where the model ends in one.
    std::vector<float> scores(const Samples& samples) {
        std::vector<float> found;
        found.reserve(samples.count * manifest().num_outputs);
        for_each_row(samples,
                     [&](std::size_t, const float* row) { found.insert(found.end(), row, row + manifest().num_outputs); });
        return found;
    }

    // The labels of raw samples, (count, labels_per_sample of the manifest): classes, or of a binary loss 0 or 1 of each output.
    std::vector<std::int64_t> predict(const Samples& samples) {
        const std::size_t num_labels = manifest().labels_per_sample();
        if (num_labels == 0) {
            throw usage_error("predict", "gives labels, and this model predicts numbers", "call scores");
        }
        std::vector<std::int64_t> found;
        found.reserve(samples.count * num_labels);
        for_each_row(samples, [&](std::size_t, const float* row) {
            for (std::size_t i = 0; i < num_labels; ++i) {
                found.push_back(predicted_label(manifest(), row, i));
            }
        });
        return found;
    }

    Evaluation evaluate(const Samples& samples) {
        reader().check(samples, true);
        Evaluator evaluator(manifest());
        for_each_row(samples,
                     [&](std::size_t row, const float* scores) { evaluator.add(scores, reader().target(samples, row)); });
        return evaluator.result();
    }

    // Write artifact, checkpoint and the parameters of the inference model; a power cut leaves the old checkpoint or the new one.
    void save(const fs::path& folder) {
        if (!parts_->artifact.is_in(folder)) {
            parts_->artifact.save(folder);
        }
        CheckpointFolder(folder / checkpoint_name).save(parts_->state.stored(), progress(), manifest().id);
        write_inference(folder / detail::inference_model, parts_->artifact, parts_->state.inference_tensors());
    }

private:
    static constexpr const char* checkpoint_name = "checkpoint";

    // Parts refer to each other, so they stay where they are when a trainer is moved. Sessions end before what they allocated
    // from.
    struct Parts {
        Parts(const fs::path& folder, const Options& given)
            : artifact(folder), options(resolved(given, artifact.manifest())),
              kernels(Kernels::find(options.kernels, artifact.has_packed_form(), artifact.manifest().needs_kernels)),
              state(artifact, options.storage, kernels != nullptr), memory(options.budget_bytes),
              forward(artifact, state, options, kernels), reader(artifact.manifest(), progress.normalization),
              feed(artifact, forward, reader, memory, options.cache_bytes) {}

        static Options resolved(Options given, const Manifest& manifest) {
            const std::size_t planned = given.budget_bytes == 0 ? manifest.budget_bytes : given.budget_bytes;
            given.budget_bytes = planned == no_budget ? 0 : planned;  // sessions count where there is one
            return given;
        }

        Artifact artifact;
        Options options;
        std::shared_ptr<const Kernels> kernels;
        Progress progress;
        ModelState state;
        MemoryUse memory;
        ForwardPass forward;
        SampleReader reader;
        BlockFeed feed;
        std::unique_ptr<BlockTraining> training;
    };

    Trainer(const fs::path& folder, const Options& options) : parts_(std::make_unique<Parts>(folder, options)) {}

    const SampleReader& reader() const { return parts_->reader; }
    BlockFeed& feed() { return parts_->feed; }

    bool is_in_round() const { return progress().data.has_value() && !is_done(); }

    bool trains_current_block() const { return progress().settings.trains(manifest().blocks[progress().block].name); }

    void refuse_other(bool is_other, const std::string& what) const {
        if (is_in_round() && is_other) {
            throw usage_error(what, "are not what the training was begun with", "leave them out to go on, or restart before");
        }
    }

    void check_order() const {
        const std::string mend = "train this artifact in Python, or build it with --order layerwise --schedule slice";
        if (manifest().order != "layerwise" || manifest().schedule == "freeze-diagonal") {
            throw input_error("artifact", "is for order " + manifest().order + ", schedule " + manifest().schedule, mend);
        }
    }

    void begin_or_go_on(const std::string& data) {
        if (is_in_round()) {
            if (*progress().data != data) {
                throw input_error("data", "are not those that the training was begun with",
                                  "give the same, or restart to begin anew from these weights");
            }
            return;
        }
        close_block();
        for (const BlockRecord& block : manifest().blocks) {
            for (const LayerRecord& layer : block.layers) {
                if (progress().settings.trains(block.name)) {
                    parts_->state.layer(layer.name).reset_optimizer();
                }
            }
        }
        parts_->progress.begin(data);
    }

    // The block in training, its sessions open.
    BlockTraining& begin_block() {
        if (is_done()) {
            throw usage_error("training", "has ended: all blocks are trained", "go back with train_block");
        }
        if (!parts_->training) {
            const std::size_t index = progress().block;
            std::vector<Session> sessions;
            for (const std::string& path : parts_->artifact.block(index).steps()) {
                sessions.emplace_back(path, parts_->artifact.model(path, has_kernels()), parts_->options, parts_->kernels);
            }
            parts_->training =
                std::make_unique<BlockTraining>(parts_->artifact, index, parts_->state, parts_->memory, std::move(sessions));
        }
        return *parts_->training;
    }

    void close_block() {
        if (parts_->training) {
            parts_->training->end_turn();
            parts_->training.reset();
        }
    }

    void finish_block() {
        close_block();
        ++parts_->progress.block;
        parts_->progress.step = 0;
    }

    // Measure the block's rate, and its scale where it trains for the first time; forget what the optimizer has gathered. `fill`
    // puts batch k into the block's inputs.
    void begin_rates(BlockTraining& training, const std::function<void(std::size_t)>& fill) {
        const std::string& name = training.record().name;
        const bool is_new = progress().rate_of(name) == nullptr;
        const std::vector<double> powers = calibrate(training, parts_->state, manifest().batch, fill, is_new);
        parts_->progress.set_rate(name, training.record().rate.at(robust_mean(powers)));
    }

    // Measure the block's rate on the first samples of a stream, step by step: the first one may be an outlier.
    void follow_power(BlockTraining& training) {
        const std::string& name = training.record().name;
        if (progress().rate_of(name) == nullptr) {
            calibrate(training, parts_->state, calibration_samples, [](std::size_t) {}, true);  // on this one batch
            parts_->progress.powers.emplace_back(name, std::vector<double>());
        }
        std::vector<double>* seen = parts_->progress.powers_of(name);
        if (seen != nullptr) {
            const std::vector<double> powers = training.input_powers();
            seen->insert(seen->end(), powers.begin(), powers.end());
            parts_->progress.set_rate(name, training.record().rate.at(robust_mean(*seen)));
            if (seen->size() >= calibration_samples) {
                parts_->progress.settle(name);
            }
        }
    }

    StepResult step(BlockTraining& training, double rate) {
        training.begin_turn(progress().step / progress().settings.steps_a_turn() % training.num_turns());
        const StepResult result = training.step(rate, progress().step, progress().total_steps);
        ++parts_->progress.step;
        ++parts_->progress.total_steps;
        return result;
    }

    // Train the current block to the end of its epochs; false where the caller stops.
    bool fit_block(const Samples& samples, const OnStep& on_step) {
        BlockTraining& training = begin_block();
        const TrainSettings settings = progress().settings;
        const bool draws = settings.sampling != "uniform";
        const SampleOrder order(samples.count, manifest().batch, settings.seed, as_size(progress().block),
                                draws ? reader().classes(samples) : std::vector<std::int64_t>(), settings.sampling == "balanced");
        const auto steps_per_epoch = static_cast<std::int64_t>(order.num_batches());
        const std::int64_t num_steps = settings.epochs * steps_per_epoch;
        feed().open(progress().block, samples);
        const std::vector<std::size_t> first = order.epoch(settings.epochs);
        if (progress().step == 0) {
            begin_rates(training,
                        [&](std::size_t k) { feed().fill(samples, order.batch(first, k % order.num_batches()), training); });
        }
        std::vector<std::size_t> rows;
        while (progress().step < num_steps) {
            const std::int64_t at = progress().step, epoch = at / steps_per_epoch;
            if (rows.empty() || at % steps_per_epoch == 0) {
                rows = order.epoch(epoch);
            }
            feed().fill(samples, order.batch(rows, static_cast<std::size_t>(at % steps_per_epoch)), training);
            const double start = *progress().rate_of(training.record().name) * settings.rate;
            const StepResult result = step(training, rate_at(start, settings.rate_schedule, at, num_steps));
            const Report report = {training.record().name, epoch, at, num_steps, progress().total_steps, result};
            if (on_step && !on_step(report)) {
                return false;
            }
        }
        return true;
    }

    void for_each_row(const Samples& samples, const std::function<void(std::size_t, const float*)>& visit) {
        if (samples.count > 0) {
            reader().check(samples, false);
        }
        const std::size_t most = manifest().rows;
        for (std::size_t start = 0; start < samples.count; start += most) {
            std::vector<std::size_t> rows(std::min(most, samples.count - start));
            std::iota(rows.begin(), rows.end(), start);
            feed().visit_scores(samples, rows, [&](std::size_t i, const float* scores) { visit(start + i, scores); });
        }
    }

    std::unique_ptr<Parts> parts_;
};

}  // namespace tinyfoa
