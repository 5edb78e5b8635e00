#include "unit.h"

#include <stdlib.h>

#include "term/tall.h"

static void test_is(void **state)
{
    static const struct {
        const char *text;
        size_t prompt, rows, columns;
        bool tall;
    } cases[] = {
        {"", 5, 2, 10, false},          {"a\nb", 5, 2, 10, false},         {"a\nb\nc", 5, 2, 10, true},
        {"123456", 5, 1, 10, true},     {"1234", 5, 1, 10, false},         {"a\n\n\n", 0, 3, 10, true},
        {"1234567890", 0, 1, 10, true}, {"\xe6\x97\xa5", 7, 1, 10, false}, {"\t\t", 0, 1, 10, true},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(rs_tall_is(cases[i].text, cases[i].prompt, cases[i].rows, cases[i].columns), cases[i].tall);
}

static char *drawn(const char *text, size_t point, size_t rows, size_t columns)
{
    char *got;
    size_t n;
    FILE *out = open_memstream(&got, &n);
    assert_non_null(out);
    rs_tall_draw(out, text, point, rows, columns);
    fclose(out);
    return got;
}

static void test_draw(void **state)
{
    static const struct {
        const char *text;
        size_t point, rows, columns;
        const char *shown;
    } cases[] = {
        /* at the end, at the start */
        {"a\nb\nc\nd", 7, 3, 12, "\033[Hc\033[K\r\nd\033[K\r\n\033[J-- line 4 o\033[2;2H"},
        {"a\nb\nc\nd", 0, 3, 12, "\033[Ha\033[K\r\nb\033[K\r\n\033[J-- line 1 o\033[1;1H"},
        /* a line that is too wide is cut, the cursor's line is moved */
        {"123456\nabcdef\n", 6, 3, 5, "\033[H456\033[K\r\nabcd\033[K\r\n\033[J-- l\033[1;4H"},
        /* tabs, wide and control characters */
        {"\tx\033\n\xe6\x97\xa5y", 7, 3, 12,
         "\033[H        x?\033[K\r\n\xe6\x97\xa5y\033[K\r\n\033[J-- line 2 o\033[2;3H"},
        /* no room at all */
        {"a\nb", 3, 1, 12, "\033[Hb\033[K\r\n\033[J-- line 2 o\033[1;2H"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *got = drawn(cases[i].text, cases[i].point, cases[i].rows, cases[i].columns);
        assert_string_equal(got, cases[i].shown);
        free(got);
    }
}

static void test_leave(void **state)
{
    char *got;
    size_t n;
    FILE *out = open_memstream(&got, &n);
    assert_non_null(out);
    rs_tall_leave(out, "\001\033[32m\002rsh>\001\033[0m\002 ", "x = 1\ny\nz", 80);
    fclose(out);
    assert_string_equal(got, "\033[H\033[J\033[32mrsh>\033[0m x = 1\033[K\r\n... 3 lines");
    free(got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_is),
        cmocka_unit_test(test_draw),
        cmocka_unit_test(test_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
