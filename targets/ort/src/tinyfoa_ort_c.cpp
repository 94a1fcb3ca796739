// SPDX-License-Identifier: Apache-2.0
// The C ABI over the C++ trainer: exceptions become statuses and a message.
#define TINYFOA_ORT_API __attribute__((visibility("default")))
#include "tinyfoa_ort.h"

#include <exception>
#include <new>
#include <string>

#include "tinyfoa_ort.hpp"

struct tinyfoa_ort_trainer {
    tinyfoa::Trainer trainer;
};

namespace {

std::string& last_message() {
    static thread_local std::string message;
    return message;
}

tinyfoa_ort_status failed(tinyfoa_ort_status status, const char* message) noexcept {
    try {
        last_message() = message;
    } catch (...) {
        last_message().clear();  // no memory for a message
    }
    return status;
}

template <typename Body>
tinyfoa_ort_status guarded(const Body& body) noexcept {
    try {
        body();
        return TINYFOA_ORT_OK;
    } catch (const tinyfoa::Error& error) {
        return failed(static_cast<tinyfoa_ort_status>(error.status()), error.what());
    } catch (const std::bad_alloc&) {
        return failed(TINYFOA_ORT_OUT_OF_MEMORY, "memory: there is none left; use a smaller model or batch");
    } catch (const std::exception& error) {
        return failed(TINYFOA_ORT_RUNTIME, error.what());
    } catch (...) {
        return failed(TINYFOA_ORT_RUNTIME, "an unknown exception");
    }
}

tinyfoa::Options options_of(const tinyfoa_ort_options* given) {
    tinyfoa::Options options;
    if (given != nullptr) {
        options.threads = given->threads;
        options.budget_bytes = given->budget_bytes;
        options.storage = given->storage == nullptr ? "" : given->storage;
        options.kernels = given->kernels == nullptr ? options.kernels : given->kernels;
        options.cache_bytes = given->cache_bytes == 0 ? options.cache_bytes : given->cache_bytes;
    }
    return options;
}

tinyfoa::Samples samples_of(const tinyfoa_ort_samples* given) {
    tinyfoa::Samples samples;
    samples.x = given->x;
    samples.count = given->count;
    samples.labels = given->labels;
    samples.targets = given->targets;
    if (given->shape != nullptr) {
        samples.shape.assign(given->shape, given->shape + given->rank);
    }
    return samples;
}

}  // namespace

const char* tinyfoa_ort_last_message(void) { return last_message().c_str(); }

tinyfoa_ort_status tinyfoa_ort_open(const char* folder, const tinyfoa_ort_options* options, tinyfoa_ort_trainer** trainer) {
    *trainer = nullptr;
    return guarded([&] { *trainer = new tinyfoa_ort_trainer{tinyfoa::Trainer::open(folder, options_of(options))}; });
}

tinyfoa_ort_status tinyfoa_ort_resume(const char* folder, const tinyfoa_ort_options* options, tinyfoa_ort_trainer** trainer) {
    *trainer = nullptr;
    return guarded([&] { *trainer = new tinyfoa_ort_trainer{tinyfoa::Trainer::resume(folder, options_of(options))}; });
}

void tinyfoa_ort_close(tinyfoa_ort_trainer* trainer) { delete trainer; }

tinyfoa_ort_status tinyfoa_ort_get_info(const tinyfoa_ort_trainer* trainer, tinyfoa_ort_info* info) {
    return guarded([&] {
        const tinyfoa::Manifest& manifest = trainer->trainer.manifest();
        const tinyfoa::Progress& progress = trainer->trainer.progress();
        *info = {};
        info->batch = manifest.batch;
        info->sample_size = trainer->trainer.sample_size();
        info->num_outputs = manifest.num_outputs;
        info->labels_per_sample = manifest.labels_per_sample();
        info->num_blocks = manifest.blocks.size();
        info->block = progress.block;
        info->step = progress.step;
        info->total_steps = progress.total_steps;
        info->planned_bytes = manifest.peak_bytes;
        info->last_run_bytes = trainer->trainer.memory().last_run_bytes();
        info->peak_bytes = trainer->trainer.memory().peak_bytes();
        info->has_kernels = trainer->trainer.has_kernels();
    });
}

tinyfoa_ort_status tinyfoa_ort_set_settings(tinyfoa_ort_trainer* trainer, const tinyfoa_ort_settings* settings) {
    return guarded([&] {
        tinyfoa::TrainSettings wanted;
        wanted.epochs = settings->epochs;
        wanted.rate = settings->rate;
        wanted.rate_schedule = settings->is_constant != 0 ? "constant" : "cosine";
        wanted.rotate_every = settings->rotate_every;
        wanted.seed = settings->seed;
        wanted.sampling = settings->sampling == nullptr ? wanted.sampling : settings->sampling;
        wanted.blocks.assign(settings->blocks, settings->blocks + settings->num_blocks);
        trainer->trainer.set_settings(wanted);
    });
}

tinyfoa_ort_status tinyfoa_ort_set_normalization(tinyfoa_ort_trainer* trainer, const double* mean, const double* std,
                                                 size_t count, int64_t axis) {
    return guarded([&] {
        tinyfoa::Normalization normalization;
        normalization.mean.assign(mean, mean + count);
        normalization.std.assign(std, std + count);
        normalization.axis = axis;
        normalization.has_channels = count > 1;
        trainer->trainer.set_normalization(normalization);
    });
}

tinyfoa_ort_status tinyfoa_ort_restart(tinyfoa_ort_trainer* trainer) {
    return guarded([&] { trainer->trainer.restart(); });
}

tinyfoa_ort_status tinyfoa_ort_train_step(tinyfoa_ort_trainer* trainer, const tinyfoa_ort_samples* samples,
                                          tinyfoa_ort_result* result) {
    return guarded([&] {
        const tinyfoa::StepResult found = trainer->trainer.train_step(samples_of(samples));
        if (result != nullptr) {
            *result = {found.loss, found.accuracy};
        }
    });
}

tinyfoa_ort_status tinyfoa_ort_next_block(tinyfoa_ort_trainer* trainer) {
    return guarded([&] { trainer->trainer.next_block(); });
}

tinyfoa_ort_status tinyfoa_ort_train_block(tinyfoa_ort_trainer* trainer, size_t index) {
    return guarded([&] { trainer->trainer.train_block(index); });
}

tinyfoa_ort_status tinyfoa_ort_fit(tinyfoa_ort_trainer* trainer, const tinyfoa_ort_samples* samples, tinyfoa_ort_on_step on_step,
                                   void* context) {
    return guarded([&] {
        trainer->trainer.fit(samples_of(samples), [&](const tinyfoa::Report& report) {
            const tinyfoa_ort_report given = {report.block.c_str(), report.epoch,
                                              report.step,          report.num_steps,
                                              report.total_steps,   {report.result.loss, report.result.accuracy}};
            return on_step == nullptr || on_step(context, &given) == 0;
        });
    });
}

tinyfoa_ort_status tinyfoa_ort_scores(tinyfoa_ort_trainer* trainer, const tinyfoa_ort_samples* samples, float* scores) {
    return guarded([&] {
        const std::vector<float> found = trainer->trainer.scores(samples_of(samples));
        std::copy(found.begin(), found.end(), scores);
    });
}

tinyfoa_ort_status tinyfoa_ort_predict(tinyfoa_ort_trainer* trainer, const tinyfoa_ort_samples* samples, int64_t* labels) {
    return guarded([&] {
        const std::vector<std::int64_t> found = trainer->trainer.predict(samples_of(samples));
        std::copy(found.begin(), found.end(), labels);
    });
}

tinyfoa_ort_status tinyfoa_ort_evaluate(tinyfoa_ort_trainer* trainer, const tinyfoa_ort_samples* samples,
                                        tinyfoa_ort_evaluation* evaluation) {
    return guarded([&] {
        const tinyfoa::Evaluation found = trainer->trainer.evaluate(samples_of(samples));
        *evaluation = {found.loss, found.accuracy, found.balanced_accuracy};
    });
}

tinyfoa_ort_status tinyfoa_ort_save(tinyfoa_ort_trainer* trainer, const char* folder) {
    return guarded([&] { trainer->trainer.save(folder); });
}
