/* A storage in a file: for tests on a computer, and for devices with a file system. */
#ifndef TFOA_FILE_STORAGE_H
#define TFOA_FILE_STORAGE_H

#include <stdio.h>

#include "../tinyfoa.h"

/* Open `path`, or make it with `nbytes` zeros. NULL where that fails. */
FILE *file_storage_open(const char *path, uint32_t nbytes);

/* The storage in an open file; not mapped, so that every weight is read through the callback. */
tfoa_storage file_storage(FILE *file);

#endif
