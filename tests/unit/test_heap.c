#include "unit.h"

#include <stdlib.h>

#include "agent/heap.h"

enum { KIB = 1024, SLOTS = 16, STEPS = 2000 };

typedef struct slot {
    unsigned char *at;
    size_t n;
} slot;

static unsigned char mark(const slot *s, size_t i)
{
    return (unsigned char)((uintptr_t)s / sizeof *s + i / 512);
}

static void write_marks(slot *s, size_t from)
{
    for (size_t i = from; i < s->n; i++)
        s->at[i] = mark(s, i);
}

static void check_marks(const slot *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (s->at[i] != mark(s, i))
            fail();
}

static void resize(slot *s, size_t n)
{
    size_t had = s->n;
    s->at = rs_heap_alloc(NULL, s->at, had, n);
    s->n = n;
    if (!s->at || !n) {
        assert_true(!s->at && !n);
        return;
    }
    check_marks(s, had < n ? had : n);
    write_marks(s, had < n ? had : n);
}

/* Sizes around those at which something changes: the edges of large blocks, and what is put aside. */
static size_t any_size(uint64_t *seed)
{
    static const size_t edges[] = {0, 100, 64 * KIB, 128 * KIB, 192 * KIB, 256 * KIB, 1024 * KIB, 2048 * KIB};
    size_t n = edges[unit_random(seed) % COUNT(edges)], off = unit_random(seed) % 3;
    return n + off > 0 ? n + off - 1 : 0;
}

/* No block is given twice, none is shorter than it should be, and bytes stay what they are. */
static void test_any_order(void **state)
{
    (void)state;
    slot slots[SLOTS] = {{0}};
    uint64_t seed = 1;
    for (int i = 0; i < STEPS; i++)
        resize(&slots[unit_random(&seed) % SLOTS], any_size(&seed));
    for (int i = 0; i < SLOTS; i++) {
        check_marks(&slots[i], slots[i].n);
        resize(&slots[i], 0);
    }
}

/* The memory of a long string serves the next one of about that size. */
static void test_again(void **state)
{
    (void)state;
    void *one = rs_heap_alloc(NULL, NULL, 4, 1000 * KIB), *two = rs_heap_alloc(NULL, NULL, 4, 500 * KIB);
    rs_heap_alloc(NULL, one, 1000 * KIB, 0);
    rs_heap_alloc(NULL, two, 500 * KIB, 0);
    void *next = rs_heap_alloc(NULL, NULL, 4, 1000 * KIB + 1);
    assert_ptr_equal(next, one);
    assert_ptr_equal(rs_heap_alloc(NULL, NULL, 4, 499 * KIB), two);
    rs_heap_alloc(NULL, next, 1000 * KIB + 1, 0);
    rs_heap_alloc(NULL, two, 499 * KIB, 0);
}

/* What has been put aside is not in use. */
static void test_limit(void **state)
{
    (void)state;
    rs_heap_limit(4096 * KIB);
    for (int i = 0; i < 100; i++) {
        void *block = rs_heap_alloc(NULL, NULL, 4, 2000 * KIB);
        assert_non_null(block);
        rs_heap_alloc(NULL, block, 2000 * KIB, 0);
    }
    assert_null(rs_heap_alloc(NULL, NULL, 4, 5000 * KIB));
    rs_heap_limit(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_order),
        cmocka_unit_test(test_again),
        cmocka_unit_test(test_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
