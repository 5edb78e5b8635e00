#include "unit.h"

#include <stdint.h>
#include <stdlib.h>

#include "rpc/chain.h"
#include "sys/block.h"

enum { HALF = 512 * 1024, MANY = 3 * 1024 * 1024 };

/* The same each time. */
static size_t below(size_t n)
{
    static uint32_t x = 1;
    x = x * 1664525 + 1013904223;
    return (x >> 8) % n;
}

static unsigned char byte_at(size_t i)
{
    return (unsigned char)(i * 7 + i / 251);
}

static void add(rs_chain *c, size_t from, size_t n)
{
    char *data = malloc(n);
    for (size_t i = 0; i < n; i++)
        data[i] = (char)byte_at(from + i);
    assert_int_equal(rs_chain_add(c, data, n), 0);
    free(data);
}

static void assert_bytes(const char *data, size_t from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)data[i] != byte_at(from + i))
            fail_msg("another byte at %zu", from + i);
}

static size_t read_some(rs_chain *c, size_t from, size_t n)
{
    char *data = malloc(n);
    size_t got = rs_chain_read(c, data, n);
    assert_bytes(data, from, got);
    free(data);
    return got;
}

static size_t take(rs_chain *c, size_t from)
{
    rs_buf b;
    rs_buf_init(&b, 0);
    bool took = rs_chain_take(c, &b);
    size_t n = rs_buf_len(&b);
    assert_int_equal(took, n > 0);
    assert_true(n <= HALF);
    assert_bytes(rs_buf_data(&b), from, n);
    rs_buf_fini(&b);
    return n;
}

static void test_empty(void **state)
{
    rs_chain c = {0};
    assert_int_equal(rs_chain_add(&c, NULL, 0), 0);
    assert_null(c.first);
    assert_int_equal(read_some(&c, 0, 10), 0);
    assert_int_equal(take(&c, 0), 0);
    rs_chain_fini(&c);
    rs_chain_fini(&c);
}

static void test_order(void **state)
{
    rs_chain c = {0};
    size_t in = 0, out = 0;
    for (int i = 0; i < 2000; i++) {
        size_t n = below(i % 50 ? 5000 : 1500000);
        switch (below(4)) {
        case 0: out += read_some(&c, out, n + 1); break;
        case 1: out += take(&c, out); break;
        default:
            if (c.len < MANY) {
                add(&c, in, n);
                in += n;
            }
        }
        assert_int_equal(c.len, in - out);
    }
    while (c.len > 0)
        out += take(&c, out);
    assert_int_equal(out, in);
    rs_chain_fini(&c);
}

/* However it came: whole halves, and what is left. */
static void test_pieces(void **state)
{
    rs_chain c = {0};
    size_t out = 0;
    for (size_t in = 0; in < 2 * HALF + 1000; in += 1000)
        add(&c, in, 1000);
    assert_int_equal(out += take(&c, out), HALF);
    assert_int_equal(out += take(&c, out), 2 * HALF);
    assert_int_equal(out + c.len, (2 * HALF + 1999) / 1000 * 1000);
    rs_chain_fini(&c);
    assert_int_equal(c.len, 0);
}

static void test_no_room(void **state)
{
    rs_chain c = {0};
    rs_buf b;
    rs_buf_init(&b, 99);
    add(&c, 0, 100);
    assert_false(rs_chain_take(&c, &b));
    assert_int_equal(c.len, 100);
    assert_int_equal(read_some(&c, 0, 1), 1);
    assert_true(rs_chain_take(&c, &b));
    assert_bytes(rs_buf_data(&b), 1, rs_buf_len(&b));
    rs_buf_fini(&b);
    rs_chain_fini(&c);
}

/* A backlog that goes on and on is in the same memory. */
static void test_memory_comes_back(void **state)
{
    rs_chain c = {0};
    rs_buf b;
    const char *seen[64] = {0};
    size_t n_seen = 0, in = 0;
    rs_buf_init(&b, 0);
    for (; in < 2 * HALF; in += HALF)
        add(&c, in, HALF);
    for (int i = 0; i < 64; i++) {
        add(&c, in, HALF);
        in += HALF;
        assert_true(rs_chain_take(&c, &b));
        size_t at = 0;
        while (at < n_seen && seen[at] != rs_buf_data(&b))
            at++;
        seen[at] = rs_buf_data(&b);
        n_seen += at == n_seen;
        rs_block_put(&b);
    }
    assert_true(n_seen < 8);
    rs_chain_fini(&c);
    rs_block_trim();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_memory_comes_back),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rs_block_trim();
    return failed;
}
