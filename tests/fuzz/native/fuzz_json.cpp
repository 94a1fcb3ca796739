// Any bytes as JSON: read or refused, and what was read is written as text that reads the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "tinyfoa_ort/json_read.hpp"
#include "tinyfoa_ort/json_write.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    try {
        const tinyfoa::Json value = tinyfoa::parse_object(std::string(reinterpret_cast<const char*>(data), size));
        const std::string text = tinyfoa::to_text(value, tinyfoa::JsonStyle());
        if (tinyfoa::to_text(tinyfoa::parse_object(text), tinyfoa::JsonStyle()) != text) {
            std::abort();
        }
    } catch (const tinyfoa::JsonError&) {
    }
    return 0;
}
