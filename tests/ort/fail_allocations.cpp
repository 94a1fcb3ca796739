// Lets a step fail at its first allocation, at its second and so on, and compares what is saved after each failure with what was
// saved before. Prints how many allocations have failed, and exits with 1 where a failure has changed anything.
//
//     fail_allocations ARTIFACT FOLDER KERNELS
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tinyfoa_ort.hpp"

namespace {

using Alloc = void*(ORT_API_CALL*)(OrtAllocator*, std::size_t);

Alloc real_alloc = nullptr;
long countdown = -1;  // allocations until one fails; below 0: none does

void* ORT_API_CALL failing_alloc(OrtAllocator* allocator, std::size_t nbytes) {
    if (countdown >= 0 && countdown-- == 0) {
        throw std::runtime_error("this allocation was to fail");
    }
    return real_alloc(allocator, nbytes);
}

void intercept() {
    OrtAllocator* allocator =
        tinyfoa::CountingAllocator::instance([]() -> const OrtMemoryInfo* { return tinyfoa::cpu_memory().release(); });
    real_alloc = allocator->Alloc;
    allocator->Alloc = failing_alloc;
}

std::string content(const tinyfoa::fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return std::string((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
}

// All tensors of a training, signs and sums included.
std::string saved_state(tinyfoa::Trainer& trainer, const std::string& folder) {
    trainer.save(folder);
    std::string found = content(tinyfoa::fs::path(folder) / "inference.onnx");
    for (const auto& entry : tinyfoa::fs::directory_iterator(tinyfoa::fs::path(folder) / "checkpoint")) {
        found += entry.path().extension() == ".safetensors" ? content(entry.path()) : "";
    }
    return found;
}

class Check {
public:
    Check(const std::string& artifact, const std::string& folder, const tinyfoa::Options& options)
        : trainer_(tinyfoa::Trainer::open(artifact, options)), free_(tinyfoa::Trainer::open(artifact, options)), folder_(folder) {
        const auto batch = static_cast<std::size_t>(trainer_.manifest().batch);
        for (std::size_t i = 0; i < batch * trainer_.sample_size(); ++i) {
            x_.push_back(static_cast<float>(i * 37 % 101) / 25.0f - 2.0f);
        }
        for (std::size_t i = 0; i < batch; ++i) {
            labels_.push_back(static_cast<std::int64_t>(i) % trainer_.manifest().num_outputs);
        }
        samples_.x = x_.data();
        samples_.labels = labels_.data();
        samples_.count = batch;
    }

    // Fail steps of a block, after `num_before` that succeed; return how many have failed, or -1 where one has changed something.
    long block(std::size_t index, int num_before) {
        trainer_.train_block(index);
        free_.train_block(index);
        for (int i = 0; i < num_before; ++i) {
            trainer_.train_step(samples_);
            free_.train_step(samples_);
        }
        const std::string before = saved_state(trainer_, folder_);
        for (long number = 0;; ++number) {
            countdown = number;
            float loss = 0;
            try {
                loss = trainer_.train_step(samples_).loss;
            } catch (const tinyfoa::Error&) {
                countdown = -1;
                if (saved_state(trainer_, folder_) != before) {
                    std::fprintf(stderr, "block %zu: the failure of allocation %ld has changed the state\n", index, number);
                    return -1;
                }
                continue;
            }
            countdown = -1;
            const float expected = free_.train_step(samples_).loss;
            return loss == expected && saved_state(trainer_, folder_) == saved_state(free_, folder_) ? number : -1;
        }
    }

private:
    tinyfoa::Trainer trainer_, free_;
    std::string folder_;
    std::vector<float> x_;
    std::vector<std::int64_t> labels_;
    tinyfoa::Samples samples_;
};

}  // namespace

int main(int, char** argv) {
    intercept();
    tinyfoa::Options options;
    options.threads = 1;
    options.budget_bytes = std::size_t{1} << 30;
    options.kernels = argv[3];
    Check check(argv[1], argv[2], options);
    for (std::size_t index = 0; index < 3; ++index) {
        const long num_failed = check.block(index, 3);
        if (num_failed < 0) {
            return 1;
        }
        std::printf("%ld\n", num_failed);
    }
    return 0;
}
