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

/* ---- large blocks ---- */

/* musl maps each large block anew, and its pages, one by one, when they are first written to: for a string of 1 MiB that takes
 * longer than to fill it. So the last ones that were freed are put aside for the next of their size, which is a multiple of
 * UNIT, that they are often of the same. */
enum { LARGE = 128 * 1024, UNIT = 64 * 1024, LARGEST = 2 * 1024 * 1024, ASIDE = 2 };

static struct {
    void *block;
    size_t size;
} aside[ASIDE]; /* the one that was freed last comes first */

/* What a block of so many bytes really has. */
static size_t size_of(size_t bytes)
{
    return bytes < LARGE ? bytes : (bytes + UNIT - 1) / UNIT * UNIT;
}

static void *take_aside(size_t size)
{
    for (int i = 0; i < ASIDE; i++) {
        void *block = aside[i].block;
        if (!block || aside[i].size != size)
            continue;
        aside[i].block = NULL;
        return block;
    }
    return NULL;
}

static void put_aside(void *block, size_t size)
{
    free(aside[ASIDE - 1].block);
    for (int i = ASIDE - 1; i > 0; i--)
        aside[i] = aside[i - 1];
    aside[0].block = block;
    aside[0].size = size;
}

static void release(void *block, size_t bytes)
{
    size_t size = size_of(bytes);
    if (size >= LARGE && size <= LARGEST)
        put_aside(block, size);
    else
        free(block);
}

static void *resize(void *block, size_t before, size_t after)
{
    size_t size = size_of(after);
    if (block && size_of(before) == size)
        return block;
    void *to = block || size < LARGE ? NULL : take_aside(size);
    return to ? to : realloc(block, size);
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
        release(block, before);
        used -= before;
        return NULL;
    }
    void *to = resize(block, before, after);
    if (to)
        used += after - before;
    return to;
}

void rs_heap_limit(size_t bytes)
{
    limit = bytes;
}
