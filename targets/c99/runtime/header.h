/* The header of the state: how far training has come, scales and statistics, which slot holds which slice, and checksums of them.
 *
 * There are two headers, written in turns: the newest one with a right checksum counts. Writing a header is what makes everything
 * that was written before it the state. */
#ifndef TFOA_HEADER_H
#define TFOA_HEADER_H

#include "model.h"

enum {
    TFOA_WORD_MAGIC,
    TFOA_WORD_FORMAT,
    TFOA_WORD_ID,
    TFOA_WORD_SEQUENCE,
    TFOA_WORD_BLOCK,
    TFOA_WORD_STEP,
    TFOA_WORD_TOTAL_STEPS,
    TFOA_WORD_TURN, /* one more than the slice that ended its turn last, 0 for none: its bits may have to be written again */
    TFOA_WORD_SCALES
};

#define TFOA_MAGIC 0x414F4654u /* "TFOA" */

/* One word of the newest header. */
tfoa_status tfoa_header_word(const tfoa_context *context, uint32_t word, uint32_t *value);

/* Where a block that has a turn has a word of the header in the arena; NULL where it has not. */
const uint8_t *tfoa_word_in_arena(const tfoa_context *context, uint32_t word);

/* Numbers [first, first + count) of a statistic, as the storage has them. */
tfoa_status tfoa_kept_statistic(const tfoa_context *context, const tfoa_statistic *statistic, uint32_t first, uint32_t count,
                                float *values);

/* Take up block and steps as the newest header has them. */
tfoa_status tfoa_read_progress(tfoa_context *context);

int tfoa_is_done(const tfoa_context *context);

/* Find the newest header; TFOA_ERROR_STATE where there is none. */
tfoa_status tfoa_find_header(tfoa_context *context);

/* Write a new header: the state becomes what the context says. `ended` is the turn that ends, or -1; its slices change slots. */
tfoa_status tfoa_commit(tfoa_context *context, int32_t ended);

#endif
