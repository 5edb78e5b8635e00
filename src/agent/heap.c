#include "agent/heap.h"

#include <stdlib.h>

static size_t used, limit;

/* `before` says what kind of object is made where there is no block. */
void *rs_heap_alloc(void *unused, void *block, size_t before, size_t after)
{
    (void)unused;
    if (!block)
        before = 0;
    if (after > before && limit && used + (after - before) > limit)
        return NULL;
    if (after == 0) {
        free(block);
        used -= before;
        return NULL;
    }
    void *to = realloc(block, after);
    if (to)
        used += after - before;
    return to;
}

void rs_heap_limit(size_t bytes)
{
    limit = bytes;
}
