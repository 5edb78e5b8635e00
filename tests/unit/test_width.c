#include "unit.h"

#include "base/width.h"

static void test_characters(void **state)
{
    static const struct {
        uint32_t c;
        unsigned width;
    } cases[] = {
        {'a', 1},     {' ', 1},     {0xa0, 1},    {0xad, 1},    {0xe4, 1},    {0x3b1, 1},    {0x20ac, 1},
        {0x2500, 1},  {0x2026, 1},  {0x300, 0},   {0x36f, 0},   {0x200b, 0},  {0x200d, 0},   {0xfe0f, 0},
        {0x20dd, 0},  {0x1100, 2},  {0x1160, 0},  {0x11ff, 0},  {0x3042, 2},  {0x4e00, 2},   {0x9fff, 2},
        {0xac00, 2},  {0xd7a3, 2},  {0xff21, 2},  {0xff71, 1},  {0x3000, 2},  {0x303f, 1},   {0x231a, 2},
        {0x1f600, 2}, {0x1f680, 2}, {0x20000, 2}, {0x2a6d6, 2}, {0xe01ef, 0}, {0x10ffff, 1},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(rs_width_char(cases[i].c), cases[i].width);
}

static void test_of(void **state)
{
    static const struct {
        const char *text;
        size_t width;
    } cases[] = {
        {"", 0}, {"abc", 3}, {"\xe6\x97\xa5\xe6\x9c\xac", 4}, {"e\xcc\x81", 1}, {"\xff\xfe", 2}, {"\xe6\x97", 2},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(rs_width_of(cases[i].text, strlen(cases[i].text)), cases[i].width);
}

static void test_cut(void **state)
{
    /* "a", a wide one, "e" with an accent, "b" */
    const char *text = "a\xe6\x97\xa5"
                       "e\xcc\x81"
                       "b";
    static const struct {
        size_t columns, bytes, width;
    } cases[] = {{0, 0, 0}, {1, 1, 1}, {2, 1, 1}, {3, 4, 3}, {4, 7, 4}, {5, 8, 5}, {99, 8, 5}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t width = 99;
        assert_int_equal(rs_width_cut(text, strlen(text), cases[i].columns, &width), cases[i].bytes);
        assert_int_equal(width, cases[i].width);
    }
}

/* Any bytes: all of them are cut off sooner or later, and the width of the whole is that of its parts. */
static void test_bytes(void **state)
{
    uint64_t seed = 0;
    for (int round = 0; round < 2000; round++) {
        char text[40];
        unit_random_bytes(&seed, text, sizeof text);
        size_t at = 0, sum = 0;
        while (at < sizeof text) {
            size_t width, took = rs_width_cut(text + at, sizeof text - at, 2, &width);
            assert_true(took > 0);
            assert_true(width <= 2);
            at += took;
            sum += width;
        }
        assert_int_equal(at, sizeof text);
        assert_int_equal(sum, rs_width_of(text, sizeof text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_characters),
        cmocka_unit_test(test_of),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_bytes),
    };
    return cmocka_run_group_tests_name("width", tests, NULL, NULL);
}
