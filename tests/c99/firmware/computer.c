/* This computer as the machine. */
#include "machine.h"

#include <stdio.h>
#include <stdlib.h>

enum { MOST_FILES = 4 };

static FILE *files[MOST_FILES];

int32_t machine_open(const char *name)
{
    for (int32_t i = 0; i < MOST_FILES; i++) {
        if (files[i] == NULL) {
            files[i] = fopen(name, "r+b");
            return files[i] == NULL ? -1 : i;
        }
    }
    return -1;
}

uint32_t machine_read(int32_t handle, void *to, uint32_t nbytes)
{
    return (uint32_t)fread(to, 1, nbytes, files[handle]);
}

uint32_t machine_write(int32_t handle, const void *from, uint32_t nbytes)
{
    return (uint32_t)fwrite(from, 1, nbytes, files[handle]);
}

void machine_seek(int32_t handle, uint32_t offset)
{
    fseek(files[handle], (long)offset, SEEK_SET);
}

void *machine_storage(uint32_t nbytes)
{
    return malloc(nbytes);
}

uint32_t machine_ticks(void)
{
    return 0;
}

uint32_t machine_stack_nbytes(void)
{
    return 0;
}
