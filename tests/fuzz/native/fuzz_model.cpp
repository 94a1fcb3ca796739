// Any bytes as a model of an artifact: the check for data in other files ends, within the bytes.
#include <cstddef>
#include <cstdint>
#include <string>

#include "tinyfoa_ort/external_data.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    try {
        tinyfoa::refuse_external_data(std::string(reinterpret_cast<const char*>(data), size), "model");
    } catch (const tinyfoa::Error&) {
    }
    return 0;
}
