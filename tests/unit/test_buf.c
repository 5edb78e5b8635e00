#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/err.h"

static void assert_holds(const rs_buf *b, const char *text)
{
    assert_int_equal(rs_buf_len(b), strlen(text));
    assert_memory_equal(rs_buf_data(b), text, strlen(text));
}

static void test_empty(void **state)
{
    rs_buf b;
    rs_buf_init(&b, 0);
    assert_int_equal(rs_buf_len(&b), 0);
    assert_non_null(rs_buf_data(&b));
    assert_int_equal(rs_buf_find(&b, 'x', 0), -1);
    rs_buf_consume(&b, 10);
    rs_buf_clear(&b);
    assert_null(b.mem);
    assert_int_equal(rs_buf_add(&b, NULL, 0), 0);
    assert_null(b.mem);
    rs_buf_fini(&b);
    rs_buf_fini(&b);
}

static void test_add_and_consume(void **state)
{
    rs_buf b;
    rs_buf_init(&b, 0);
    assert_int_equal(rs_buf_add(&b, "abc", 3), 0);
    assert_int_equal(rs_buf_add_str(&b, "def"), 0);
    assert_int_equal(rs_buf_add_char(&b, '!'), 0);
    assert_holds(&b, "abcdef!");
    rs_buf_consume(&b, 2);
    assert_holds(&b, "cdef!");
    assert_int_equal(rs_buf_find(&b, 'e', 0), 2);
    assert_int_equal(rs_buf_find(&b, 'e', 2), 2);
    assert_int_equal(rs_buf_find(&b, 'e', 3), -1);
    assert_int_equal(rs_buf_find(&b, 'b', 0), -1);
    assert_int_equal(rs_buf_find(&b, 'e', 99), -1);
    rs_buf_consume(&b, 99);
    assert_holds(&b, "");
    assert_int_equal(rs_buf_addf(&b, "%s-%d", "x", 42), 0);
    assert_holds(&b, "x-42");
    rs_buf_fini(&b);
}

static void test_max(void **state)
{
    rs_buf b;
    char *to = NULL;
    rs_buf_init(&b, 10);
    assert_int_equal(rs_buf_room(&b), 10);
    assert_int_equal(rs_buf_add(&b, "01234567", 8), 0);
    assert_int_equal(rs_buf_add(&b, "abc", 3), RS_ELIMIT);
    assert_int_equal(rs_buf_addf(&b, "%d", 123), RS_ELIMIT);
    assert_int_equal(rs_buf_reserve(&b, 3, &to), RS_ELIMIT);
    assert_int_equal(rs_buf_reserve(&b, SIZE_MAX, &to), RS_ELIMIT);
    assert_holds(&b, "01234567");
    assert_int_equal(rs_buf_addf(&b, "%d", 89), 0);
    assert_holds(&b, "0123456789");
    assert_int_equal(rs_buf_room(&b), 0);
    rs_buf_consume(&b, 4);
    assert_int_equal(rs_buf_room(&b), 4);
    assert_int_equal(rs_buf_add(&b, "abcd", 4), 0);
    assert_holds(&b, "456789abcd");
    rs_buf_fini(&b);
    assert_int_equal(rs_buf_room(&b), 10);
}

static void test_reserve_and_commit(void **state)
{
    rs_buf b;
    char *to = NULL;
    rs_buf_init(&b, 0);
    assert_int_equal(rs_buf_reserve(&b, 0, &to), 0);
    assert_non_null(to);
    assert_int_equal(rs_buf_reserve(&b, 1000, &to), 0);
    memset(to, 'x', 1000);
    rs_buf_commit(&b, 3);
    assert_holds(&b, "xxx");
    assert_int_equal(rs_buf_add_str(&b, "yz"), 0);
    assert_holds(&b, "xxxyz");
    rs_buf_fini(&b);
}

static void test_take(void **state)
{
    static const char *const added[] = {"", "abc", "abcdef"};
    for (size_t i = 0; i < COUNT(added); i++) {
        rs_buf b;
        size_t n = 99;
        rs_buf_init(&b, strlen(added[i]));
        rs_buf_add_str(&b, added[i]);
        rs_buf_consume(&b, 1);
        char *s = rs_buf_take(&b, &n);
        assert_non_null(s);
        assert_string_equal(s, *added[i] ? added[i] + 1 : "");
        assert_int_equal(n, strlen(s));
        assert_int_equal(rs_buf_len(&b), 0);
        assert_null(b.mem);
        free(s);
        rs_buf_fini(&b);
    }
}

static void test_swap(void **state)
{
    rs_buf a, b;
    rs_buf_init(&a, 10);
    rs_buf_init(&b, 0);
    rs_buf_swap(&a, &b);
    assert_int_equal(rs_buf_len(&a) + rs_buf_len(&b), 0);
    rs_buf_add_str(&a, "abc");
    rs_buf_consume(&a, 1);
    rs_buf_add_str(&b, "defg");
    rs_buf_swap(&a, &b);
    assert_int_equal(rs_buf_len(&a), 4);
    assert_memory_equal(rs_buf_data(&a), "defg", 4);
    assert_int_equal(rs_buf_len(&b), 2);
    assert_memory_equal(rs_buf_data(&b), "bc", 2);
    assert_int_equal(rs_buf_room(&a), 6); /* the maximum stays */
    assert_int_equal(rs_buf_add_str(&a, "1234567"), RS_ELIMIT);
    assert_int_equal(rs_buf_add_str(&b, "1234567"), 0);
    rs_buf_fini(&a);
    rs_buf_fini(&b);
}

/* A queue that is fed and drained for ever must not grow, nor be moved at every step. */
static void test_queue_stays_small(void **state)
{
    rs_buf b;
    char chunk[100];
    rs_buf_init(&b, 0);
    memset(chunk, 'q', sizeof chunk);
    rs_buf_add(&b, chunk, sizeof chunk);
    for (int i = 0; i < 100000; i++) {
        assert_int_equal(rs_buf_add(&b, chunk, sizeof chunk), 0);
        rs_buf_consume(&b, sizeof chunk);
    }
    assert_int_equal(rs_buf_len(&b), sizeof chunk);
    assert_true(b.cap <= 1024);
    rs_buf_fini(&b);
}

/* Random steps, beside a plain array that does the same. */
static void test_against_a_model(void **state)
{
    enum { MAX = 3000 };
    char model[MAX + 1], chunk[600];
    size_t len = 0;
    uint64_t seed = 1;
    rs_buf b;
    rs_buf_init(&b, MAX);
    for (int i = 0; i < 50000; i++) {
        size_t n = unit_random(&seed) % sizeof chunk;
        if (unit_random(&seed) % 2) {
            unit_random_bytes(&seed, chunk, n);
            bool fits = len + n <= MAX;
            assert_int_equal(rs_buf_add(&b, chunk, n), fits ? 0 : RS_ELIMIT);
            if (fits) {
                memcpy(model + len, chunk, n);
                len += n;
            }
        } else {
            rs_buf_consume(&b, n);
            n = n < len ? n : len;
            memmove(model, model + n, len - n);
            len -= n;
        }
        assert_int_equal(rs_buf_len(&b), len);
        assert_memory_equal(rs_buf_data(&b), model, len);
        assert_true(b.cap <= MAX + 1);
    }
    rs_buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_add_and_consume),
        cmocka_unit_test(test_max),
        cmocka_unit_test(test_reserve_and_commit),
        cmocka_unit_test(test_take),
        cmocka_unit_test(test_swap),
        cmocka_unit_test(test_queue_stays_small),
        cmocka_unit_test(test_against_a_model),
    };
    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
