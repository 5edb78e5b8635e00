#include "agent/heap.h"

#include <stdbool.h>
#include <stdlib.h>

/* Whoever runs into the limit must be able to say so, and the next call to free something: each failure lets the heap grow
 * a little more, until it is well below the limit again. */
enum { STEP = 64 * 1024, MOST = 16 * STEP };

static size_t used, limit, spare;
static bool failed; /* Lua collects its garbage and tries again */

static bool is_refused(size_t more)
{
    if (used < limit - limit / 16)
        spare = 0;
    if (!limit || used + more <= limit + spare) {
        failed = false;
        return false;
    }
    if (failed && spare < MOST)
        spare += STEP;
    failed = !failed;
    return true;
}

/* `before` says what kind of object is made where there is no block. */
void *rs_heap_alloc(void *unused, void *block, size_t before, size_t after)
{
    (void)unused;
    if (!block)
        before = 0;
    if (after > before && is_refused(after - before))
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
