/* What a program asks of the machine that it runs on: an emulated board, or this computer. */
#ifndef MACHINE_H
#define MACHINE_H

#include <stdint.h>

/* Files of the host, opened for reading and writing; a handle below 0 where that fails. Returns how many bytes were read or
 * written. */
int32_t machine_open(const char *name);
uint32_t machine_read(int32_t handle, void *to, uint32_t nbytes);
uint32_t machine_write(int32_t handle, const void *from, uint32_t nbytes);
void machine_seek(int32_t handle, uint32_t offset);

/* Memory that stands for the storage, aligned to 4 bytes. */
void *machine_storage(uint32_t nbytes);

/* Ticks of a clock that counts instructions, of which it wraps around after 2^24; 0 where there is none. */
uint32_t machine_ticks(void);

/* Bytes of stack that were used at most; 0 where that is not known. */
uint32_t machine_stack_nbytes(void);

#endif
