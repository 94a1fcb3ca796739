// SPDX-License-Identifier: Apache-2.0
// onnxruntime's C API as version 1.18 has it, which every later one keeps: one binary serves 1.19 to the newest. The C++ API is
// not used, so that the application is free to use it, or another version's.
#pragma once

#include <onnxruntime_c_api.h>

#include <memory>
#include <mutex>
#include <string>

#include "tinyfoa_ort/budget.hpp"
#include "tinyfoa_ort/error.hpp"

namespace tinyfoa {

inline constexpr std::uint32_t ort_api_version = 18;

// The table of onnxruntime's functions.
inline const OrtApi& ort() {
    static const OrtApi* const api = OrtGetApiBase()->GetApi(ort_api_version);
    if (api == nullptr) {
        throw Error(Status::runtime, "onnxruntime",
                    std::string("is version ") + OrtGetApiBase()->GetVersionString() + ", too old",
                    "link onnxruntime 1.18 or newer");
    }
    return *api;
}

// Throw where a call of onnxruntime has failed.
inline void check(OrtStatus* status, const std::string& place = "onnxruntime") {
    if (status != nullptr) {
        const std::string message = ort().GetErrorMessage(status);
        ort().ReleaseStatus(status);
        throw Error(Status::runtime, place, message);
    }
}

// Owns an object of onnxruntime.
template <typename T>
using Owned = std::unique_ptr<T, void(ORT_API_CALL*)(T*)>;

inline Owned<OrtMemoryInfo> cpu_memory() {
    OrtMemoryInfo* info = nullptr;
    check(ort().CreateCpuMemoryInfo(OrtDeviceAllocator, OrtMemTypeDefault, &info));
    return {info, ort().ReleaseMemoryInfo};
}

// onnxruntime's environment, one in a process, which the application's own use shares. It lives as long as a trainer does.
class Environment {
public:
    static std::shared_ptr<Environment> get() {
        static std::mutex mutex;
        static std::weak_ptr<Environment> known;
        const std::lock_guard<std::mutex> lock(mutex);
        std::shared_ptr<Environment> environment = known.lock();
        if (!environment) {
            environment.reset(new Environment());
            known = environment;
        }
        return environment;
    }
    Environment(const Environment&) = delete;
    Environment& operator=(const Environment&) = delete;

    ~Environment() {
        if (is_counting_) {
            ort().ReleaseStatus(ort().UnregisterAllocator(env_.get(), memory_.get()));
        }
    }

    OrtEnv* get_env() const { return env_.get(); }

    // Let sessions that ask for the environment's allocator use the counting one.
    void count_allocations() {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (!is_counting_) {
            const auto describe = []() -> const OrtMemoryInfo* { return cpu_memory().release(); };
            check(ort().RegisterAllocator(env_.get(), CountingAllocator::instance(describe)), "budget");
            is_counting_ = true;
        }
    }

private:
    Environment() : env_(create(), ort().ReleaseEnv), memory_(cpu_memory()) {}

    static OrtEnv* create() {
        OrtEnv* env = nullptr;
        check(ort().CreateEnv(ORT_LOGGING_LEVEL_ERROR, "tinyfoa", &env));
        return env;
    }

    Owned<OrtEnv> env_;
    Owned<OrtMemoryInfo> memory_;
    std::mutex mutex_;
    bool is_counting_ = false;
};

}  // namespace tinyfoa
