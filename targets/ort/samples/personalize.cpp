// SPDX-License-Identifier: Apache-2.0
// Personalisation: a model that was trained elsewhere goes on learning from what one user does, a few samples at a time.
//
//     personalize FOLDER SAMPLES.csv [BUDGET_BYTES]
//
// FOLDER is an artifact, or a training that was saved. A line of SAMPLES.csv is the numbers of a sample, then its class. The
// samples come as a stream: one step a batch; every hundredth step is saved, so that a power cut loses little.
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tinyfoa_ort.hpp"

namespace {

// Reads one sample and its class; false at the end of the file.
bool read_sample(std::istream& file, std::size_t size, std::vector<float>& x, std::vector<std::int64_t>& labels) {
    std::string line, cell;
    if (!std::getline(file, line)) {
        return false;
    }
    std::istringstream cells(line);
    std::vector<float> numbers;
    while (std::getline(cells, cell, ',')) {
        numbers.push_back(std::stof(cell));
    }
    if (numbers.size() != size + 1) {
        throw std::runtime_error("a line has " + std::to_string(numbers.size()) + " numbers, expected " +
                                 std::to_string(size + 1));
    }
    x.insert(x.end(), numbers.begin(), numbers.end() - 1);
    labels.push_back(static_cast<std::int64_t>(numbers.back()));
    return true;
}

tinyfoa::Trainer open_or_resume(const std::string& folder, const tinyfoa::Options& options) {
    const bool has_checkpoint = tinyfoa::fs::exists(tinyfoa::fs::path(folder) / "checkpoint" / "checkpoint.json");
    return has_checkpoint ? tinyfoa::Trainer::resume(folder, options) : tinyfoa::Trainer::open(folder, options);
}

int personalize(const std::string& folder, const std::string& csv, std::size_t budget_bytes) {
    tinyfoa::Options options;
    options.budget_bytes = budget_bytes;
    tinyfoa::Trainer trainer = open_or_resume(folder, options);
    std::ifstream file(csv);
    if (!file) {
        throw std::runtime_error(csv + " cannot be read");
    }
    const auto batch = static_cast<std::size_t>(trainer.manifest().batch);
    std::vector<float> x;
    std::vector<std::int64_t> labels;
    for (bool is_more = true; is_more;) {
        is_more = read_sample(file, trainer.sample_size(), x, labels);
        if (labels.size() < batch && (is_more || labels.empty())) {
            continue;
        }
        tinyfoa::Samples samples;
        samples.x = x.data();
        samples.labels = labels.data();
        samples.count = labels.size();
        const tinyfoa::StepResult result = trainer.train_step(samples);
        const long long step = trainer.progress().step;
        if (step % 100 == 0 || !is_more) {
            std::printf("step %lld: loss %.3f, accuracy %.2f\n", step, static_cast<double>(result.loss),
                        static_cast<double>(result.accuracy));
            trainer.save(folder);
        }
        x.clear();
        labels.clear();
    }
    trainer.save(folder);
    if (budget_bytes > 0) {
        std::printf("%zu of %zu bytes\n", trainer.memory().peak_bytes(), budget_bytes);
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 3) {
        std::fprintf(stderr, "usage: personalize FOLDER SAMPLES.csv [BUDGET_BYTES]\n");
        return 2;
    }
    try {
        return personalize(argv[1], argv[2], argc > 3 ? std::stoul(argv[3]) : 0);
    } catch (const tinyfoa::Error& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return static_cast<int>(error.status());
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 4;
    }
}
