#include "unit.h"

#include "base/utf8.h"

static void test_cases(void **state)
{
    static const struct {
        const char *bytes;
        size_t n, took;
        uint32_t c;
    } cases[] = {
        {"", 0, 0, 0},
        {"a", 1, 1, 'a'},
        {"\0", 1, 1, 0},
        {"\x7f", 1, 1, 0x7f},
        {"\xc3\xa4x", 3, 2, 0xe4},
        {"\xe2\x82\xac", 3, 3, 0x20ac},
        {"\xf0\x9f\x98\x80", 4, 4, 0x1f600},
        {"\xf4\x8f\xbf\xbf", 4, 4, 0x10ffff},
        {"\x80", 1, 0, 0},     /* a continuation */
        {"\xc0\x80", 2, 0, 0}, /* too long for what it says */
        {"\xc1\xbf", 2, 0, 0},
        {"\xe0\x9f\xbf", 3, 0, 0},
        {"\xf0\x8f\xbf\xbf", 4, 0, 0},
        {"\xed\xa0\x80", 3, 0, 0}, /* half a surrogate pair */
        {"\xed\xbf\xbf", 3, 0, 0},
        {"\xf4\x90\x80\x80", 4, 0, 0}, /* above the last character */
        {"\xf8\x88\x80\x80\x80", 5, 0, 0},
        {"\xff", 1, 0, 0},
        {"\xe2\x82\xac", 2, 0, 0}, /* cut off */
        {"\xe2\x28\xac", 3, 0, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint32_t c = 0;
        assert_int_equal(rs_utf8_next(cases[i].bytes, cases[i].n, &c), cases[i].took);
        assert_int_equal(c, cases[i].c);
    }
}

static void test_every_character(void **state)
{
    for (uint32_t c = 0; c < 0x110000; c++) {
        char bytes[4];
        uint32_t back = 0;
        size_t n = rs_utf8_put(c, bytes);
        size_t want = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        assert_int_equal(n, want);
        bool surrogate = c >= 0xd800 && c <= 0xdfff;
        assert_int_equal(rs_utf8_next(bytes, n, &back), surrogate ? 0 : n);
        assert_int_equal(back, surrogate ? 0 : c);
        assert_int_equal(rs_utf8_next(bytes, n - 1, &back), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_every_character),
    };
    return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
