/* A storage in memory-mapped NOR flash: it is read like memory, erased page by page, and written where it was erased.
 *
 * A write changes whole pages. Each goes through a spare page first, so that a power cut at any moment leaves every page as it
 * was or as it should be; flash_storage_recover, called once at start, finishes what was interrupted. */
#ifndef TFOA_FLASH_STORAGE_H
#define TFOA_FLASH_STORAGE_H

#include "../tinyfoa.h"

/* The flash of a board. Offsets count from the region's start; `erase` sets a page to 0xFF, `program` writes erased bytes. Both
 * return 0, or anything else where they have failed. */
typedef struct flash_region {
    const uint8_t *mapped; /* where the region can be read; aligned to 4 bytes */
    uint32_t page_nbytes;
    uint32_t num_pages; /* those of the storage, and two more at the end */
    uint8_t *page;      /* RAM for one page */
    void *driver;
    int (*erase)(void *driver, uint32_t offset);
    int (*program)(void *driver, uint32_t offset, const void *from, uint32_t nbytes);
} flash_region;

/* Finish a page that a power cut interrupted; 0, or anything else where the flash has failed. */
int flash_storage_recover(flash_region *region);

tfoa_storage flash_storage(flash_region *region);

#endif
