// Any bytes as the manifest of an artifact, or as one of its other files, opened and used over the C API.
//
// TINYFOA_FUZZ_ARTIFACT names a folder that the trainer has saved; the first byte says which of its files the rest replaces. The
// input after which a run succeeds is a right file: then a step is taken and the run is saved.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tinyfoa_ort.h"

namespace fs = std::filesystem;

namespace {

constexpr const char* files[] = {"manifest.json", "checkpoint/checkpoint.json", "initial.safetensors", "steps/1.onnx"};

// A copy of the artifact, which inputs change.
const fs::path& folder() {
    static const fs::path path = [] {
        char pattern[] = "/tmp/tinyfoa-fuzz-XXXXXX";
        const char* original = std::getenv("TINYFOA_FUZZ_ARTIFACT");
        if (original == nullptr || ::mkdtemp(pattern) == nullptr) {
            std::abort();
        }
        fs::copy(original, fs::path(pattern) / "run", fs::copy_options::recursive);
        std::atexit([] { fs::remove_all(folder()); });
        return fs::path(pattern);
    }();
    return path;
}

void use(tinyfoa_ort_trainer* trainer) {
    tinyfoa_ort_info info = {};
    tinyfoa_ort_get_info(trainer, &info);
    const std::vector<float> x(info.sample_size < 4096 ? info.sample_size : 0, 0.5f);
    const std::int64_t label = 0;
    tinyfoa_ort_samples samples = {};
    samples.x = x.data();
    samples.labels = &label;
    samples.count = x.empty() ? 0 : 1;
    if (info.batch < 64) {
        tinyfoa_ort_train_step(trainer, &samples, nullptr);
    }
    tinyfoa_ort_save(trainer, (folder() / "copy").c_str());
    tinyfoa_ort_close(trainer);
    fs::remove_all(folder() / "copy");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const fs::path path = folder() / "run" / files[data[0] % 4];
    const fs::path kept = folder() / "kept";
    fs::rename(path, kept);
    std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(data) + 1, static_cast<std::streamsize>(size - 1));
    tinyfoa_ort_options options = {};
    options.threads = 1;
    options.kernels = "none";
    for (const auto open : {tinyfoa_ort_open, tinyfoa_ort_resume}) {
        tinyfoa_ort_trainer* trainer = nullptr;
        if (open((folder() / "run").c_str(), &options, &trainer) == TINYFOA_ORT_OK) {
            use(trainer);
        }
    }
    fs::rename(kept, path);
    return 0;
}
