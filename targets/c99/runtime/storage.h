/* Reads and writes of numbers in the storage, which are little endian there whatever the processor is. */
#ifndef TFOA_STORAGE_H
#define TFOA_STORAGE_H

#include "../tinyfoa.h"

/* Words that pass through the stack at once. */
#define TFOA_CHUNK 16

/* Words or floats to and from RAM, num_words * 4 bytes. */
tfoa_status tfoa_load(const tfoa_storage *storage, uint32_t offset, void *to, uint32_t num_words);
tfoa_status tfoa_store(const tfoa_storage *storage, uint32_t offset, const void *from, uint32_t num_words);

/* Whether words can be read where they lie: they are mapped, and their order of bytes is the processor's. */
int tfoa_is_mapped(const tfoa_storage *storage, uint32_t offset, uint32_t num_words);

/* Make words readable: *words points into mapped storage, or to `chunk`, into which they are read. Returns how many there are:
 * all where the storage is mapped, else at most TFOA_CHUNK; 0 where reading has failed. */
uint32_t tfoa_peek(const tfoa_storage *storage, uint32_t offset, uint32_t num_words, uint32_t *chunk, const uint32_t **words);

#endif
