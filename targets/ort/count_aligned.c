/* Counts the bytes of tensors that onnxruntime holds: preload it, then ask for live and peak bytes.
 *
 *   cc -O1 -shared -fPIC -o count_aligned.so count_aligned.c -ldl && LD_PRELOAD=./count_aligned.so program
 *
 * onnxruntime allocates tensors aligned (posix_memalign, or aligned_alloc by way of operator new) and everything else with
 * malloc, so aligned blocks alone are the sum that a plan is about. A table remembers their sizes, since free is told the address
 * only.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

enum { SLOTS = 1 << 16 };

static int (*next_posix_memalign)(void **, size_t, size_t);
static void (*next_free)(void *);
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void *address[SLOTS];
static size_t size_of[SLOTS];
static long live_bytes;
static long peak_bytes;

static size_t slot_of(const void *block)
{
    return ((uintptr_t)block >> 4) * 2654435761u % SLOTS;
}

static void remember(void *block, size_t size)
{
    pthread_mutex_lock(&lock);
    size_t slot = slot_of(block);
    while (address[slot]) {
        slot = (slot + 1) % SLOTS;
    }
    address[slot] = block;
    size_of[slot] = size;
    live_bytes += (long)size;
    if (live_bytes > peak_bytes) {
        peak_bytes = live_bytes;
    }
    pthread_mutex_unlock(&lock);
}

int posix_memalign(void **block, size_t alignment, size_t size)
{
    if (!next_posix_memalign) {
        next_posix_memalign = dlsym(RTLD_NEXT, "posix_memalign");
    }
    int status = next_posix_memalign(block, alignment, size);
    if (status == 0 && *block) {
        remember(*block, size);
    }
    return status;
}

void *aligned_alloc(size_t alignment, size_t size)
{
    void *block = NULL;
    return posix_memalign(&block, alignment, size) == 0 ? block : NULL;
}

/* Removes a block from the table, and moves up those behind it that would no longer be found. */
static void forget(const void *block)
{
    size_t slot = slot_of(block);
    while (address[slot] && address[slot] != block) {
        slot = (slot + 1) % SLOTS;
    }
    if (!address[slot]) {
        return;
    }
    live_bytes -= (long)size_of[slot];
    size_t hole = slot;
    for (size_t next = (hole + 1) % SLOTS; address[next]; next = (next + 1) % SLOTS) {
        size_t home = slot_of(address[next]);
        if ((next - home + SLOTS) % SLOTS >= (next - hole + SLOTS) % SLOTS) {
            address[hole] = address[next];
            size_of[hole] = size_of[next];
            hole = next;
        }
    }
    address[hole] = NULL;
}

void free(void *block)
{
    if (!next_free) {
        next_free = dlsym(RTLD_NEXT, "free");
    }
    if (block) {
        pthread_mutex_lock(&lock);
        forget(block);
        pthread_mutex_unlock(&lock);
    }
    next_free(block);
}

long counted_live_bytes(void)
{
    return live_bytes;
}
long counted_peak_bytes(void)
{
    return peak_bytes;
}
void counted_reset_peak(void)
{
    peak_bytes = live_bytes;
}
