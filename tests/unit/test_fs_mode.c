#include "unit.h"

#include <sys/stat.h>

#include "base/err.h"
#include "sys/fs_mode.h"

static void test_apply(void **state)
{
    static const struct {
        const char *text;
        unsigned old;
        bool folder;
        unsigned mode;
    } cases[] = {
        {"644", 07777, false, 0644},
        {"0644", 0, false, 0644},
        {"00644", 0, false, 0644},
        {"7777", 0, false, 07777},
        {"0", 0777, false, 0},
        {"755", 02775, true, 0755}, /* exact, also where chmod(1) would keep set-id bits of folders */

        {"u+x", 0644, false, 0744},
        {"g+w", 0644, false, 0664},
        {"o-r", 0644, false, 0640},
        {"a-w", 0666, false, 0444},
        {"a=r", 0777, false, 0444},
        {"u=rw,g=r,o=", 0777, false, 0640},
        {"u=rwx,go=rx", 0, false, 0755},
        {"ug+rw,o-rwx", 0007, false, 0660},
        {"ugo=rx", 0, false, 0555},
        {"u=", 0777, false, 0077},
        {"u+", 0644, false, 0644},
        {"u+r-w", 0200, false, 0400},
        {"u-w+x=r", 0700, false, 0400},
        {"u+rwxrwx", 0, false, 0700},

        {"a+X", 0644, false, 0644},
        {"a+X", 0744, false, 0755},
        {"a+X", 0644, true, 0755},
        {"u+rwX,g=rX,o=", 0600, true, 0750},
        {"u+x,g+X", 0644, false, 0754}, /* each clause sees what the one before left */

        {"u+s", 0755, false, 04755},
        {"g+s", 0755, false, 02755},
        {"o+s", 0755, false, 0755},
        {"ug+s", 0755, false, 06755},
        {"a-s", 06755, false, 0755},
        {"+t", 0755, true, 01755},
        {"o+t", 0755, true, 01755},
        {"u+t", 0755, true, 0755},
        {"u=rwx", 04755, false, 0755},
        {"g=rx", 02775, true, 02755}, /* a folder keeps set-id bits that aren't named */
        {"g=rxs", 0775, true, 02755},
        {"g-s", 02775, true, 0775},

        {"g=u", 0740, false, 0770},
        {"o=g", 0750, false, 0755},
        {"u+o", 0104, false, 0504},
        {"go-u", 0277, false, 0255},
        {"u=g,g=o", 0642, false, 0422},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        rs_mode m;
        assert_int_equal(rs_mode_parse(&m, cases[i].text, strlen(cases[i].text), -1), 0);
        unsigned got = rs_mode_apply(&m, cases[i].old, cases[i].folder);
        if (got != cases[i].mode)
            fail_msg("%s on %04o: %04o, should be %04o", cases[i].text, cases[i].old, got, cases[i].mode);
    }
}

static void test_umask(void **state)
{
    static const struct {
        const char *text;
        int umask;
        unsigned old, mode;
    } cases[] = {
        {"+w", 022, 0444, 0644},  {"+w", 0, 0444, 0666},    {"+w", -1, 0444, 0666},   {"-w", 022, 0666, 0466},
        {"=rw", 022, 0777, 0644}, {"+rwx", 077, 0, 0700},   {"a+w", 022, 0444, 0666}, {"go+w", 022, 0444, 0466},
        {"666", 022, 0, 0666},    {"+x,o+w", 011, 0, 0102},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        rs_mode m;
        assert_int_equal(rs_mode_parse(&m, cases[i].text, strlen(cases[i].text), cases[i].umask), 0);
        unsigned got = rs_mode_apply(&m, cases[i].old, false);
        if (got != cases[i].mode)
            fail_msg("%s on %04o: %04o, should be %04o", cases[i].text, cases[i].old, got, cases[i].mode);
    }
}

static void test_not_a_mode(void **state)
{
    static const char *const texts[] = {
        "",    "8",    "0o644", "64 4",  "10000", "000644", "u",   "rwx", "u+q",  "u+r,", ",u+r",
        "u+,", "u++,", "z+r",   "u+r g", "u+rg",  "g=uo",   "-01", "+ ",  "u+r;", "0x1",  "u+gr",
    };
    for (size_t i = 0; i < COUNT(texts); i++) {
        rs_mode m;
        if (rs_mode_parse(&m, texts[i], strlen(texts[i]), -1) != RS_EPARSE)
            fail_msg("'%s' is taken for a mode", texts[i]);
    }
    rs_mode m;
    assert_int_equal(rs_mode_parse(&m, "644\0", 4, -1), RS_EPARSE);
    assert_int_equal(rs_mode_parse(&m, "u+r\0", 4, -1), RS_EPARSE);
}

static void test_many_clauses(void **state)
{
    char text[4 * RS_MODE_OPS + 4] = "u+r";
    rs_mode m;
    for (int i = 1; i < RS_MODE_OPS; i++)
        strcat(text, ",g+w");
    assert_int_equal(rs_mode_parse(&m, text, strlen(text), -1), 0);
    strcat(text, "-x");
    assert_int_equal(rs_mode_parse(&m, text, strlen(text), -1), RS_EPARSE);
}

static void test_bits(void **state)
{
    rs_mode m;
    rs_mode_bits(&m, 0640);
    assert_int_equal(rs_mode_apply(&m, 07777, true), 0640);
    rs_mode_bits(&m, 0);
    assert_int_equal(rs_mode_apply(&m, 07777, false), 0);
}

static void test_umask_is_read(void **state)
{
    mode_t old = umask(027);
    assert_int_equal(rs_mode_umask(), 027);
    umask(0);
    assert_int_equal(rs_mode_umask(), 0);
    umask(old);
}

/* Any bytes: no crash, and a mode never has other bits. */
static void test_random(void **state)
{
    static const char letters[] = "ugoa+-=rwxXst,078";
    uint64_t seed = 3;
    for (int i = 0; i < 200000; i++) {
        char text[20];
        rs_mode m;
        size_t n = unit_random(&seed) % sizeof text;
        for (size_t j = 0; j < n; j++)
            text[j] = letters[unit_random(&seed) % (sizeof letters - 1)];
        if (rs_mode_parse(&m, text, n, (int)(unit_random(&seed) & 0777)) == 0)
            assert_int_equal(rs_mode_apply(&m, (unsigned)i, i & 1) & ~07777u, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_apply),        cmocka_unit_test(test_umask), cmocka_unit_test(test_not_a_mode),
        cmocka_unit_test(test_many_clauses), cmocka_unit_test(test_bits),  cmocka_unit_test(test_umask_is_read),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
