// Any bytes as a file of tensors: read or refused, within the file.
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "tinyfoa_ort/safetensors.hpp"

namespace {

// One file, which every input replaces.
const std::string& path() {
    static const std::string name = [] {
        char pattern[] = "/tmp/tinyfoa-fuzz-XXXXXX";
        const int file = ::mkstemp(pattern);
        if (file < 0) {
            std::abort();
        }
        ::close(file);
        std::atexit([] { ::unlink(path().c_str()); });
        return std::string(pattern);
    }();
    return name;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const int file = ::open(path().c_str(), O_WRONLY | O_TRUNC);
    if (file < 0 || ::write(file, data, size) != static_cast<ssize_t>(size)) {
        std::abort();
    }
    ::close(file);
    try {
        tinyfoa::TensorFile tensors(tinyfoa::InputFile(path(), "get the file again"));
        tensors.load({});
    } catch (const tinyfoa::Error&) {
    }
    return 0;
}
