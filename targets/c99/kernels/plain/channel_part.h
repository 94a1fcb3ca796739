/* Where a run of channels lies in a value that has all of them. */
#ifndef TFOA_CHANNEL_PART_H
#define TFOA_CHANNEL_PART_H

#include <stddef.h>

#include "../channels.h"

/* Elements of one sample's gradient. */
static inline size_t tfoa_part_size(const tfoa_channel_part *part)
{
    return (size_t)part->count * (size_t)part->all.positions;
}

/* Elements of one sample of the whole value. */
static inline size_t tfoa_sample_size(const tfoa_channels *all)
{
    return (size_t)all->channels * (size_t)all->positions;
}

/* Elements of a sample before the run. */
static inline size_t tfoa_part_start(const tfoa_channel_part *part)
{
    return (size_t)part->first * (size_t)part->all.positions;
}

#endif
