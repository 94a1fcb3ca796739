// SPDX-License-Identifier: Apache-2.0
// Rows of bits as kernels read them: bit i is bit i % 32 of word i / 32, and what is left of the last word is zero.
#pragma once

#include <algorithm>
#include <bitset>
#include <cstddef>
#include <cstdint>

namespace tinyfoa {

using Word = std::uint32_t;

inline constexpr std::size_t word_bits = 32;

inline std::size_t count_words(std::size_t num_bits) { return (num_bits + word_bits - 1) / word_bits; }

inline bool bit_at(const Word* row, std::size_t i) { return row[i / word_bits] >> (i % word_bits) & 1; }

inline void set_bit(Word* row, std::size_t i, bool is_one) {
    const Word bit = Word{1} << (i % word_bits);
    row[i / word_bits] = is_one ? row[i / word_bits] | bit : row[i / word_bits] & ~bit;
}

inline std::size_t count_ones(const Word* words, std::size_t count) {
    std::size_t ones = 0;
    for (std::size_t i = 0; i < count; ++i) {
        ones += std::bitset<word_bits>(words[i]).count();
    }
    return ones;
}

namespace detail {

// The lowest `count` bits of a word, count from 1 to 32.
inline Word lowest(std::size_t count) { return ~Word{0} >> (word_bits - count); }

}  // namespace detail

// Copy bits [first, first + count) of a row to the beginning of another one.
inline void copy_bits_out(const Word* row, std::size_t first, std::size_t count, Word* part) {
    const std::size_t shift = first % word_bits;
    for (std::size_t i = 0; i < count; i += word_bits) {
        const std::size_t left = std::min(count - i, word_bits);
        const Word* from = row + (first + i) / word_bits;
        Word bits = from[0] >> shift;
        bits |= shift + left > word_bits ? from[1] << (word_bits - shift) : 0;
        part[i / word_bits] = bits & detail::lowest(left);
    }
}

// Let bits [first, first + count) of a row be those at the beginning of another one; without one, zeros.
inline void copy_bits_in(Word* row, std::size_t first, std::size_t count, const Word* part) {
    const std::size_t shift = first % word_bits;
    for (std::size_t i = 0; i < count; i += word_bits) {
        const std::size_t left = std::min(count - i, word_bits);
        const Word bits = part == nullptr ? 0 : part[i / word_bits], mask = detail::lowest(left);
        Word* to = row + (first + i) / word_bits;
        to[0] = (to[0] & ~(mask << shift)) | bits << shift;
        if (shift + left > word_bits) {
            to[1] = (to[1] & ~(mask >> (word_bits - shift))) | bits >> (word_bits - shift);
        }
    }
}

}  // namespace tinyfoa
