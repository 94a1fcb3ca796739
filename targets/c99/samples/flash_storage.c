/* The last two pages of the region are the spare page and its note. The note holds the number of the page that the spare one is
 * to replace, and then that number's complement: only a note with both is one. */
#include "flash_storage.h"

#include <string.h>

static uint32_t spare_offset(const flash_region *region)
{
    return (region->num_pages - 2u) * region->page_nbytes;
}

static uint32_t note_offset(const flash_region *region)
{
    return (region->num_pages - 1u) * region->page_nbytes;
}

static int write_page(flash_region *region, uint32_t offset, const void *content)
{
    return region->erase(region->driver, offset) != 0 ||
           region->program(region->driver, offset, content, region->page_nbytes) != 0;
}

/* Copy the spare page to the page that the note names, then forget the note. */
static int apply_note(flash_region *region, uint32_t page_number)
{
    memcpy(region->page, region->mapped + spare_offset(region), region->page_nbytes);
    return write_page(region, page_number * region->page_nbytes, region->page) != 0 ||
           region->erase(region->driver, note_offset(region)) != 0;
}

int flash_storage_recover(flash_region *region)
{
    uint32_t note[2];
    memcpy(note, region->mapped + note_offset(region), sizeof note);
    if (note[0] == ~note[1] && note[0] < region->num_pages - 2u) {
        return apply_note(region, note[0]);
    }
    return region->erase(region->driver, note_offset(region));
}

static int replace_page(flash_region *region, uint32_t page_number)
{
    const uint32_t note[2] = {page_number, ~page_number};
    return write_page(region, spare_offset(region), region->page) != 0 ||
           region->program(region->driver, note_offset(region), note, sizeof note) != 0 || apply_note(region, page_number) != 0;
}

static int flash_write(void *device, uint32_t offset, const void *from, uint32_t nbytes)
{
    flash_region *region = (flash_region *)device;
    const uint8_t *bytes = (const uint8_t *)from;
    while (nbytes > 0u) {
        const uint32_t page_number = offset / region->page_nbytes;
        const uint32_t within = offset % region->page_nbytes;
        const uint32_t left = region->page_nbytes - within;
        const uint32_t count = nbytes < left ? nbytes : left;
        if (page_number >= region->num_pages - 2u) {
            return 1;
        }
        const uint8_t *page = region->mapped + page_number * region->page_nbytes;
        if (memcmp(page + within, bytes, count) != 0) {
            memcpy(region->page, page, region->page_nbytes);
            memcpy(region->page + within, bytes, count);
            if (replace_page(region, page_number) != 0) {
                return 1;
            }
        }
        offset += count;
        bytes += count;
        nbytes -= count;
    }
    return 0;
}

tfoa_storage flash_storage(flash_region *region)
{
    const uint32_t nbytes = (region->num_pages - 2u) * region->page_nbytes;
    const tfoa_storage storage = {region, NULL, flash_write, region->mapped, nbytes};
    return storage;
}
