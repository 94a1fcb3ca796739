// SPDX-License-Identifier: Apache-2.0
// Memory for what a plan counts as nonvolatile: RAM, or a memory-mapped file that the operating system may write out at any time.
#pragma once

#include <stdlib.h>
#include <sys/mman.h>

#include <string>

#include "tinyfoa_ort/file.hpp"
#include "tinyfoa_ort/tensor.hpp"

namespace tinyfoa {

// Float numbers, zero at first. The file has no name and so goes with the process.
class Storage {
public:
    Storage() = default;

    // An empty folder keeps them in RAM.
    Storage(std::size_t count, const std::string& folder) : count_(count) {
        if (folder.empty() || count == 0) {
            ram_ = Buffer(count * sizeof(float));
            data_ = ram_.data<float>();
        } else {
            map(folder);
        }
    }
    Storage(Storage&& other) noexcept { *this = std::move(other); }
    Storage& operator=(Storage&& other) noexcept {
        std::swap(count_, other.count_);
        std::swap(ram_, other.ram_);
        std::swap(data_, other.data_);
        std::swap(is_mapped_, other.is_mapped_);
        return *this;
    }
    ~Storage() {
        if (is_mapped_) {
            ::munmap(data_, count_ * sizeof(float));
        }
    }

    float* data() { return data_; }
    const float* data() const { return data_; }

private:
    void map(const std::string& folder) {
        std::string name = folder + "/tinyfoa-XXXXXX";
        const detail::Descriptor file(::mkstemp(name.data()));
        const std::size_t nbytes = count_ * sizeof(float);
        void* data = MAP_FAILED;
        if (file.is_open()) {
            ::unlink(name.c_str());
            // Blocks are taken now: a full disk is an error here, not a signal later.
            const int failed = ::posix_fallocate(file.number(), 0, static_cast<off_t>(nbytes));
            errno = failed != 0 ? failed : errno;
            data = failed != 0 ? MAP_FAILED : ::mmap(nullptr, nbytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.number(), 0);
        }
        if (data == MAP_FAILED) {
            const std::string problem = "cannot hold a file (" + detail::reason() + ")";
            throw input_error(folder, problem, "name a folder on a disk with room");
        }
        data_ = static_cast<float*>(data);
        is_mapped_ = true;
    }

    std::size_t count_ = 0;
    Buffer ram_;
    float* data_ = nullptr;
    bool is_mapped_ = false;
};

}  // namespace tinyfoa
