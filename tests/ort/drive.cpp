// Runs a training as the tests say, over the C ABI, and prints a line of JSON for each thing done.
//
//     drive FOLDER X.f32 TARGETS [--resume] [--threads N] [--budget N] [--cache N] [--storage DIR] [--kernels FILE]
//           COMMAND...
//
// Commands: steps:FIRST:LAST (batches of the data, LAST not included), next, block:I, fit[:STOP], restart,
// settings:EPOCHS:RATE:ROTATE[:[BLOCK][:SAMPLING]], normalize:MEAN:STD, save:DIR, scores, predict, evaluate, info. One that fails
// prints its status and message, and the rest goes on.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "tinyfoa_ort.h"

namespace {

template <typename T>
std::vector<T> read_numbers(const char* path) {
    std::ifstream file(path, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    std::vector<T> numbers(bytes.size() / sizeof(T));
    if (!numbers.empty()) {
        std::memcpy(numbers.data(), bytes.data(), numbers.size() * sizeof(T));
    }
    return numbers;
}

std::string quoted(const char* text) {
    std::string found = "\"";
    for (; *text != '\0'; ++text) {
        found += *text == '"' || *text == '\\' ? std::string("\\") + *text : std::string(1, *text);
    }
    return found + "\"";
}

void print_failure(tinyfoa_ort_status status) {
    std::printf("{\"status\": %d, \"message\": %s}\n", static_cast<int>(status), quoted(tinyfoa_ort_last_message()).c_str());
}

struct Data {
    std::vector<float> x, targets;
    std::vector<std::int64_t> labels;
};

class Run {
public:
    Run(tinyfoa_ort_trainer* trainer, const Data& data) : trainer_(trainer), data_(data) { read_info(); }

    tinyfoa_ort_status command(const std::string& text) {
        std::vector<std::string> words;
        std::istringstream stream(text);
        for (std::string word; std::getline(stream, word, ':');) {
            words.push_back(word);
        }
        const std::string& name = words[0];
        if (name == "steps") {
            return steps(std::stoul(words[1]), std::stoul(words[2]));
        }
        if (name == "fit") {
            stop_ = words.size() > 1 ? std::atol(words[1].c_str()) : -1;
            const tinyfoa_ort_samples all = samples(0, num_samples());
            return tinyfoa_ort_fit(trainer_, &all, on_step, this);
        }
        if (name == "settings") {
            words.resize(std::max<std::size_t>(words.size(), 5));
            const char* const block = words[4].c_str();
            tinyfoa_ort_settings settings = {};
            settings.epochs = std::atol(words[1].c_str());
            settings.rate = std::atof(words[2].c_str());
            settings.rotate_every = std::atol(words[3].c_str());
            settings.blocks = &block;
            settings.num_blocks = words[4].empty() ? 0 : 1;
            settings.sampling = words.size() > 5 ? words[5].c_str() : nullptr;
            return tinyfoa_ort_set_settings(trainer_, &settings);
        }
        if (name == "normalize") {
            const double mean = std::atof(words[1].c_str()), std = std::atof(words[2].c_str());
            return tinyfoa_ort_set_normalization(trainer_, &mean, &std, 1, 1);
        }
        if (name == "block") {
            return tinyfoa_ort_train_block(trainer_, std::stoul(words[1]));
        }
        return name == "next"      ? tinyfoa_ort_next_block(trainer_)
               : name == "restart" ? tinyfoa_ort_restart(trainer_)
               : name == "save"    ? tinyfoa_ort_save(trainer_, words[1].c_str())
                                   : measure(name);
    }

private:
    void read_info() { tinyfoa_ort_get_info(trainer_, &info_); }

    std::size_t num_samples() const { return data_.x.size() / info_.sample_size; }

    tinyfoa_ort_samples samples(std::size_t first, std::size_t count) const {
        tinyfoa_ort_samples found = {};
        found.x = data_.x.data() + first * info_.sample_size;
        found.labels = data_.labels.empty() ? nullptr : data_.labels.data() + first;
        found.targets = data_.targets.empty() ? nullptr : data_.targets.data() + first * info_.num_outputs;
        found.count = count;
        return found;
    }

    tinyfoa_ort_status steps(std::size_t first, std::size_t last) {
        for (std::size_t i = first; i < last; ++i) {
            // As many as there are: a damaged manifest may name a batch beyond the data.
            const std::size_t start = num_samples() == 0 ? 0 : i * info_.batch % num_samples();
            const tinyfoa_ort_samples batch = samples(start, std::min(info_.batch, num_samples() - start));
            tinyfoa_ort_result result = {0, 0};
            const tinyfoa_ort_status status = tinyfoa_ort_train_step(trainer_, &batch, &result);
            if (status != TINYFOA_ORT_OK) {
                return status;
            }
            read_info();
            std::printf("{\"loss\": %.9g, \"accuracy\": %.9g, \"bytes\": %zu}\n", static_cast<double>(result.loss),
                        static_cast<double>(result.accuracy), info_.last_run_bytes);
        }
        return TINYFOA_ORT_OK;
    }

    static int on_step(void* context, const tinyfoa_ort_report* report) {
        const auto* run = static_cast<const Run*>(context);
        std::printf("{\"block\": %s, \"epoch\": %lld, \"step\": %lld, \"num_steps\": %lld, \"loss\": %.9g}\n",
                    quoted(report->block).c_str(), static_cast<long long>(report->epoch), static_cast<long long>(report->step),
                    static_cast<long long>(report->num_steps), static_cast<double>(report->result.loss));
        return report->total_steps == run->stop_;
    }

    tinyfoa_ort_status measure(const std::string& name) {
        const tinyfoa_ort_samples all = samples(0, num_samples());
        tinyfoa_ort_status status = TINYFOA_ORT_USAGE;
        if (name == "evaluate") {
            tinyfoa_ort_evaluation found = {0, 0, 0};
            status = tinyfoa_ort_evaluate(trainer_, &all, &found);
            if (status == TINYFOA_ORT_OK) {
                std::printf("{\"loss\": %.17g, \"accuracy\": %.17g, \"balanced\": %.17g}\n", found.loss, found.accuracy,
                            found.balanced_accuracy);
            }
        } else if (name == "scores") {
            std::vector<float> scores(num_samples() * info_.num_outputs);
            status = tinyfoa_ort_scores(trainer_, &all, scores.data());
            print_list(status, scores);
        } else if (name == "predict") {
            std::vector<std::int64_t> labels(num_samples() * info_.labels_per_sample);
            status = tinyfoa_ort_predict(trainer_, &all, labels.data());
            print_list(status, labels);
        } else if (name == "info") {
            read_info();
            std::printf(
                "{\"block\": %zu, \"step\": %lld, \"total_steps\": %lld, \"planned\": %zu, \"peak\": %zu, \"kernels\": %d}\n",
                info_.block, static_cast<long long>(info_.step), static_cast<long long>(info_.total_steps), info_.planned_bytes,
                info_.peak_bytes, info_.has_kernels);
            status = TINYFOA_ORT_OK;
        }
        return status;
    }

    template <typename T>
    static void print_list(tinyfoa_ort_status status, const std::vector<T>& numbers) {
        for (std::size_t i = 0; status == TINYFOA_ORT_OK && i < numbers.size(); ++i) {
            std::printf("%s%.9g", i == 0 ? "[" : ", ", static_cast<double>(numbers[i]));
        }
        std::printf(status == TINYFOA_ORT_OK ? "]\n" : "");
    }

    tinyfoa_ort_trainer* trainer_;
    const Data& data_;
    tinyfoa_ort_info info_ = {};
    std::int64_t stop_ = -1;
};

}  // namespace

int main(int argc, char** argv) {
    tinyfoa_ort_options options = {};
    bool resumes = false;
    std::vector<std::string> commands;
    for (int i = 4; i < argc; ++i) {
        const std::string word = argv[i];
        if (word == "--resume") {
            resumes = true;
        } else if (word == "--threads") {
            options.threads = std::atoi(argv[++i]);
        } else if (word == "--budget") {
            options.budget_bytes = std::stoul(argv[++i]);
        } else if (word == "--cache") {
            options.cache_bytes = std::stoul(argv[++i]);
        } else if (word == "--kernels") {
            options.kernels = argv[++i];
        } else if (word == "--storage") {
            options.storage = argv[++i];
        } else {
            commands.push_back(word);
        }
    }
    Data data;
    data.x = read_numbers<float>(argv[2]);
    const std::string targets = argv[3];
    if (targets.size() > 4 && targets.compare(targets.size() - 4, 4, ".i64") == 0) {
        data.labels = read_numbers<std::int64_t>(argv[3]);
    } else {
        data.targets = read_numbers<float>(argv[3]);
    }
    tinyfoa_ort_trainer* trainer = nullptr;
    tinyfoa_ort_status status = (resumes ? tinyfoa_ort_resume : tinyfoa_ort_open)(argv[1], &options, &trainer);
    if (status != TINYFOA_ORT_OK) {
        print_failure(status);
        return 0;
    }
    Run run(trainer, data);
    for (const std::string& each : commands) {
        status = run.command(each);
        if (status != TINYFOA_ORT_OK) {
            print_failure(status);
        }
        std::fflush(stdout);
    }
    tinyfoa_ort_close(trainer);
    return 0;
}
