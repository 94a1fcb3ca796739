/* Every write is flushed, so that the next one comes after it. Where the file system may keep blocks back, add its own call for
 * that (fsync and its like), which C99 does not have. */
#include "file_storage.h"

static int file_read(void *device, uint32_t offset, void *to, uint32_t nbytes)
{
    FILE *file = (FILE *)device;
    return fseek(file, (long)offset, SEEK_SET) != 0 || fread(to, 1, nbytes, file) != nbytes;
}

static int file_write(void *device, uint32_t offset, const void *from, uint32_t nbytes)
{
    FILE *file = (FILE *)device;
    return fseek(file, (long)offset, SEEK_SET) != 0 || fwrite(from, 1, nbytes, file) != nbytes || fflush(file) != 0;
}

FILE *file_storage_open(const char *path, uint32_t nbytes)
{
    FILE *file = fopen(path, "r+b");
    if (file != NULL) {
        return file;
    }
    file = fopen(path, "w+b");
    for (uint32_t i = 0; i < nbytes && file != NULL; i++) {
        if (putc(0, file) == EOF) {
            fclose(file);
            return NULL;
        }
    }
    return file;
}

tfoa_storage file_storage(FILE *file)
{
    const tfoa_storage storage = {file, file_read, file_write, NULL, 0u};
    return storage;
}
