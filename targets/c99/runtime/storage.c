/* Numbers in the storage: little endian, words of 32 bits. */
#include "storage.h"

#include <string.h>

static int is_little_endian(void)
{
    const uint32_t one = 1u;
    uint8_t first;
    memcpy(&first, &one, 1);
    return first == 1u;
}

static uint32_t swapped(uint32_t word)
{
    return (word >> 24) | ((word >> 8) & 0xFF00u) | ((word << 8) & 0xFF0000u) | (word << 24);
}

static void swap_words(void *words, uint32_t num_words)
{
    uint8_t *bytes = (uint8_t *)words;
    for (uint32_t i = 0; i < num_words; i++) {
        uint32_t word;
        memcpy(&word, bytes + 4u * i, 4);
        word = swapped(word);
        memcpy(bytes + 4u * i, &word, 4);
    }
}

static int is_in_memory(const tfoa_storage *storage, uint32_t offset, uint32_t num_words)
{
    return storage->mapped != NULL && storage->mapped_nbytes >= offset && storage->mapped_nbytes - offset >= 4u * num_words;
}

tfoa_status tfoa_load(const tfoa_storage *storage, uint32_t offset, void *to, uint32_t num_words)
{
    if (is_in_memory(storage, offset, num_words)) {
        memcpy(to, (const uint8_t *)storage->mapped + offset, 4u * (size_t)num_words);
    } else if (num_words > 0u && storage->read(storage->device, offset, to, 4u * num_words) != 0) {
        return TFOA_ERROR_STORAGE;
    }
    if (!is_little_endian()) {
        swap_words(to, num_words);
    }
    return TFOA_OK;
}

tfoa_status tfoa_store(const tfoa_storage *storage, uint32_t offset, const void *from, uint32_t num_words)
{
    if (is_little_endian()) {
        const int failed = num_words > 0u && storage->write(storage->device, offset, from, 4u * num_words) != 0;
        return failed ? TFOA_ERROR_STORAGE : TFOA_OK;
    }
    for (uint32_t done = 0; done < num_words; done += TFOA_CHUNK) {
        uint32_t chunk[TFOA_CHUNK];
        const uint32_t count = num_words - done < TFOA_CHUNK ? num_words - done : TFOA_CHUNK;
        memcpy(chunk, (const uint8_t *)from + 4u * done, 4u * (size_t)count);
        swap_words(chunk, count);
        if (storage->write(storage->device, offset + 4u * done, chunk, 4u * count) != 0) {
            return TFOA_ERROR_STORAGE;
        }
    }
    return TFOA_OK;
}

int tfoa_is_mapped(const tfoa_storage *storage, uint32_t offset, uint32_t num_words)
{
    return is_in_memory(storage, offset, num_words) && is_little_endian();
}

uint32_t tfoa_peek(const tfoa_storage *storage, uint32_t offset, uint32_t num_words, uint32_t *chunk, const uint32_t **words)
{
    if (tfoa_is_mapped(storage, offset, num_words)) {
        *words = (const uint32_t *)(const void *)((const uint8_t *)storage->mapped + offset);
        return num_words;
    }
    const uint32_t count = num_words < TFOA_CHUNK ? num_words : TFOA_CHUNK;
    *words = chunk;
    return tfoa_load(storage, offset, chunk, count) == TFOA_OK ? count : 0u;
}
