/* Counts the bytes that a process holds on the heap: preload it, then ask for live and peak bytes.
 *
 *   cc -O1 -shared -fPIC -o count_malloc.so count_malloc.c -ldl && LD_PRELOAD=./count_malloc.so program
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <malloc.h>
#include <stddef.h>

static void *(*next_malloc)(size_t);
static void (*next_free)(void *);
static void *(*next_calloc)(size_t, size_t);
static void *(*next_realloc)(void *, size_t);
static int (*next_posix_memalign)(void **, size_t, size_t);

static volatile long live_bytes;
static volatile long peak_bytes;

/* dlsym itself calls calloc once, before there is a calloc to call. */
static char first_block[65536];
static size_t first_used;

static void find_next(void) {
  next_malloc = dlsym(RTLD_NEXT, "malloc");
  next_free = dlsym(RTLD_NEXT, "free");
  next_realloc = dlsym(RTLD_NEXT, "realloc");
  next_posix_memalign = dlsym(RTLD_NEXT, "posix_memalign");
  next_calloc = dlsym(RTLD_NEXT, "calloc");
}

static void *counted(void *block) {
  if (block) {
    long now = __sync_add_and_fetch(&live_bytes, (long)malloc_usable_size(block));
    if (now > peak_bytes) peak_bytes = now;
  }
  return block;
}

static void uncounted(void *block) {
  if (block) __sync_sub_and_fetch(&live_bytes, (long)malloc_usable_size(block));
}

static int is_first_block(const void *block) {
  return (const char *)block >= first_block && (const char *)block < first_block + sizeof first_block;
}

void *malloc(size_t size) {
  if (!next_malloc) find_next();
  return counted(next_malloc(size));
}

void free(void *block) {
  if (is_first_block(block)) return;
  if (!next_free) find_next();
  uncounted(block);
  next_free(block);
}

void *calloc(size_t count, size_t size) {
  if (!next_calloc) {
    void *block = first_block + first_used;
    first_used += (count * size + 15) & ~(size_t)15;
    return first_used <= sizeof first_block ? block : NULL;
  }
  return counted(next_calloc(count, size));
}

void *realloc(void *block, size_t size) {
  if (!next_realloc) find_next();
  uncounted(block);
  return counted(next_realloc(block, size));
}

int posix_memalign(void **block, size_t alignment, size_t size) {
  if (!next_posix_memalign) find_next();
  int status = next_posix_memalign(block, alignment, size);
  if (status == 0) counted(*block);
  return status;
}

void *memalign(size_t alignment, size_t size) {
  void *block = NULL;
  return posix_memalign(&block, alignment, size) == 0 ? block : NULL;
}

void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

long counted_live_bytes(void) { return live_bytes; }
long counted_peak_bytes(void) { return peak_bytes; }
void counted_reset_peak(void) { peak_bytes = live_bytes; }
