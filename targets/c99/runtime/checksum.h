/* Checksums of what the storage holds. */
#ifndef TFOA_CHECKSUM_H
#define TFOA_CHECKSUM_H

#include <stdint.h>

/* CRC-32 (ISO-HDLC) of words as they lie in the storage, little endian, continued from `crc`; it begins with 0. */
uint32_t tfoa_crc32(uint32_t crc, uint32_t word);
uint32_t tfoa_crc32_of(uint32_t crc, const void *words, uint32_t num_words);

#endif
