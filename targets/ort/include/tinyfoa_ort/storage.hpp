// SPDX-License-Identifier: Apache-2.0
// Memory for what a plan counts as nonvolatile: RAM, or a memory-mapped file that the operating system may write out at any time.
#pragma once

#include <stdlib.h>
#include <sys/mman.h>

#include <memory>
#include <string>

#include "tinyfoa_ort/file.hpp"
#include "tinyfoa_ort/tensor.hpp"

namespace tinyfoa {

// Bytes, zero at first. The file has no name and so goes with the process.
class Storage {
public:
    // An empty folder keeps them in RAM.
    Storage(std::size_t nbytes, const std::string& folder)
        : ram_(folder.empty() ? nbytes : 0), mapped_(folder.empty() || nbytes == 0 ? nullptr : map(folder, nbytes), {nbytes}) {}

    unsigned char* data() { return mapped_ ? mapped_.get() : ram_.data(); }
    const unsigned char* data() const { return mapped_ ? mapped_.get() : ram_.data(); }

private:
    struct Unmap {
        std::size_t nbytes;
        void operator()(unsigned char* data) const { ::munmap(data, nbytes); }
    };

    static unsigned char* map(const std::string& folder, std::size_t nbytes) {
        std::string name = folder + "/tinyfoa-XXXXXX";
        const detail::Descriptor file(::mkstemp(name.data()));
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
        return static_cast<unsigned char*>(data);
    }

    Buffer ram_;
    std::unique_ptr<unsigned char, Unmap> mapped_;
};

}  // namespace tinyfoa
