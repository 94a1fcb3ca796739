/* What the driver needs of a platform: a file to read, one to write, and measures of itself where they can be had. */
#ifndef DRIVER_IO_H
#define DRIVER_IO_H

#include <stdint.h>

/* All return 0, or anything else where they have failed. */
int io_open(const char *input, const char *output);
int io_read(uint32_t offset, void *to, uint32_t nbytes);
int io_append(const void *from, uint32_t nbytes);
int io_close(void);

/* Bytes of stack that have been used so far, and instructions by a counter that wraps around; 0 where nobody knows. */
uint32_t io_stack_nbytes(void);
uint32_t io_ticks(void);

#endif
