#include "unit.h"

#include <stdlib.h>

#include "base/err.h"
#include "sys/fs_glob.h"

static void test_names(void **state)
{
    static const struct {
        const char *pattern, *name;
        bool match;
    } cases[] = {
        {"", "", true},
        {"", "a", false},
        {"a", "", false},
        {"*", "", true},
        {"*", "a", true},
        {"**", "a", true},
        {"a*", "a", true},
        {"a*c", "abc", true},
        {"a*c", "abcd", false},
        {"a*b*c", "aXbXbXc", true},
        {"a*b*c", "aXcXb", false},
        {"*.tar.*", "x.tar.gz", true},
        {"*aab", "aaaab", true},
        {"?", "a", true},
        {"?", "", false},
        {"??", "a", false},
        {"a?c", "abc", true},
        {"?", "\xc3\xa4", true}, /* a character is one, however many bytes it has */
        {"??", "\xc3\xa4", false},
        {"?", "\xff", true}, /* a byte that is no character is one too */
        {"??", "\xff\xfe", true},
        {"\xff", "\xff", true},
        {"\xfe", "\xff", false},
        {"?\n", "a\n", true},
        {"-*", "-rf", true},

        {"[abc]", "b", true},
        {"[abc]", "d", false},
        {"[a-c]", "b", true},
        {"[a-c]", "d", false},
        {"[c-a]", "b", false},
        {"[!abc]", "d", true},
        {"[!abc]", "b", false},
        {"[^abc]", "d", true},
        {"[!a-c]", "", false},
        {"[]]", "]", true},
        {"[]a]", "a", true},
        {"[!]]", "]", false},
        {"[!]]", "a", true},
        {"[a-]", "-", true},
        {"[-a]", "-", true},
        {"[a-]", "b", false},
        {"[a\\-c]", "-", true},
        {"[a\\-c]", "b", false},
        {"[\\]]", "]", true},
        {"[\\!]", "!", true},
        {"[\\!]", "a", false},
        {"[*]", "*", true},
        {"[*]", "a", false},
        {"[?]", "?", true},
        {"[a-cx-z]", "y", true},
        {"[\xc3\xa0-\xc3\xbc]", "\xc3\xa4", true},
        {"[\xc3\xa4]", "\xa4", false},
        {"[abc", "[abc", true}, /* not closed: itself */
        {"[abc", "a", false},
        {"[", "[", true},
        {"[]", "[]", true},
        {"[!]", "[!]", true},
        {"a[", "a[", true},
        {"[a\\", "[a\\", true},
        {"*[", "x[", true},
        {"[a]b", "ab", true},
        {"[0-9][0-9]", "42", true},
        {"[0-9][0-9]", "4", false},

        {"\\*", "*", true},
        {"\\*", "a", false},
        {"\\?", "?", true},
        {"\\[a]", "[a]", true},
        {"\\a", "a", true},
        {"\\\\", "\\", true},
        {"a\\", "a\\", true}, /* the last backslash has nothing to make plain */
        {"a\\*b", "a*b", true},
        {"a\\*b", "axb", false},

        {"*", ".a", false},
        {"?a", ".a", false},
        {"[.]a", ".a", false},
        {"[!x]a", ".a", false},
        {".*", ".a", true},
        {"\\.*", ".a", true},
        {".a", ".a", true},
        {"*.a", ".a", false},
        {"*a", "x.a", true},
        {"a*", "a.", true},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (rs_glob_match_name(cases[i].pattern, cases[i].name) != cases[i].match)
            fail_msg("'%s' and '%s': should be %d", cases[i].pattern, cases[i].name, cases[i].match);
    }
}

static bool match(const char *pattern, const char *path)
{
    rs_glob *g;
    assert_int_equal(rs_glob_new(&g, pattern), 0);
    bool ok = rs_glob_match_path(g, path);
    rs_glob_free(g);
    return ok;
}

static void test_paths(void **state)
{
    static const struct {
        const char *pattern, *path;
        bool match;
    } cases[] = {
        {"*.c", "a.c", true},
        {"*.c", "/x/y/a.c", true}, /* relative: the last parts */
        {"*.c", "/x/a.c/y", false},
        {"y/*.c", "/x/y/a.c", true},
        {"x/*.c", "/x/y/a.c", false},
        {"/x/*.c", "/x/a.c", true}, /* absolute: all of it */
        {"/x/*.c", "/y/x/a.c", false},
        {"/x/*", "x/a", false},
        {"/*", "/a", true},
        {"/*", "/a/b", false},
        {"/", "/", true},
        {"/", "/a", false},
        {"**", "a", true},
        {"**", "/a/b", true},
        {"/**", "/a/b", true},
        {"/a/**", "/a", false}, /* what is found is below */
        {"/a/**", "/a/b", true},
        {"/a/**", "/a/b/c/d", true},
        {"/a/**/d", "/a/d", true}, /* none is a number of folders too */
        {"/a/**/d", "/a/b/c/d", true},
        {"/a/**/d", "/a/b/c/e", false},
        {"/**/b/**/d", "/a/b/c/d", true},
        {"/**/b/**/d", "/b/d", true},
        {"/**/b/**/d", "/a/c/d", false},
        {"/**/**/d", "/a/b/d", true},
        {"/a/**", "/a/.b", false},
        {"/a/**/c", "/a/.b/c", false}, /* ** goes through no hidden folder */
        {"/a/.*/c", "/a/.b/c", true},
        {"c", "/a/.b/c", true}, /* but what comes before a relative pattern may be hidden */
        {"a**b", "aXb", true},  /* within a part it is a star */
        {"a**b", "a/b", false},
        {"a/./b", "a/b", true},
        {"./a", "a", true},
        {"a//b", "a/b", true},
        {"a/b", "a//b/", true},
        {"a/", "a", true},
        {"../a", "../a", true},
        {"../a", "b/a", false},
        {"a\\*", "a*", true},
        {"a\\*", "ab", false},
        {"*/*/*", "a/b", false},
        {"", "a", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        if (match(cases[i].pattern, cases[i].path) != cases[i].match)
            fail_msg("'%s' and '%s': should be %d", cases[i].pattern, cases[i].path, cases[i].match);
}

static void test_limits(void **state)
{
    rs_glob *g;
    char pattern[2 * 63 + 1] = "";
    for (int i = 0; i < 62; i++)
        strcat(pattern, "a/");
    assert_int_equal(rs_glob_new(&g, pattern), 0);
    assert_true(rs_glob_wants_folder(g));
    assert_true(rs_glob_match_path(g, pattern));
    rs_glob_free(g);
    strcat(pattern, "a");
    assert_int_equal(rs_glob_new(&g, pattern), RS_ELIMIT);

    char name[1001], path[3001];
    memset(name, 'x', sizeof name);
    name[1000] = 0;
    strcat(strcat(strcpy(path, "/a/"), name), "/b");
    assert_true(match("/a/*/b", path));
    rs_glob_free(NULL);
}

/* A pattern with many stars must not take longer and longer. */
static void test_stars(void **state)
{
    char name[4001], pattern[201];
    memset(name, 'a', sizeof name);
    name[4000] = 0;
    for (size_t i = 0; i < 200; i += 2)
        memcpy(pattern + i, "a*", 2);
    memcpy(pattern + 199, "b", 2);
    assert_false(rs_glob_match_name(pattern, name));
}

/* What happens in a folder for each place in the pattern: the driver of fs_list.c relies on it. */
static void test_sets(void **state)
{
    rs_glob *g;
    assert_int_equal(rs_glob_new(&g, "a/**/c*"), 0);
    rs_glob_set start = rs_glob_start(g);
    assert_true(rs_glob_is_plain(g, start));
    assert_int_equal(rs_glob_step(g, start, "b", true), 0);

    rs_glob_set a = rs_glob_step(g, start, "a", true);
    assert_false(rs_glob_is_match(g, a));
    assert_false(rs_glob_is_plain(g, rs_glob_below(g, a)));

    rs_glob_set b = rs_glob_step(g, rs_glob_below(g, a), "b", true);
    assert_int_equal(b, a);
    assert_int_equal(rs_glob_step(g, rs_glob_below(g, a), "b", false), 0); /* a link to a folder isn't gone through */
    assert_int_equal(rs_glob_step(g, rs_glob_below(g, a), ".b", true), 0);

    rs_glob_set c = rs_glob_step(g, rs_glob_below(g, b), "c1", false);
    assert_true(rs_glob_is_match(g, c));
    assert_int_equal(rs_glob_below(g, c), 0);
    c = rs_glob_step(g, rs_glob_below(g, b), "c1", true); /* a folder that matches may have more in it */
    assert_true(rs_glob_is_match(g, c));
    assert_int_equal(rs_glob_below(g, c), a);
    rs_glob_free(g);
}

/* Any bytes are a pattern, and matching ends. */
static void test_random(void **state)
{
    static const char letters[] = "ab*?[]!^-\\/.\xc3\xa4";
    uint64_t seed = 7;
    for (int i = 0; i < 200000; i++) {
        char text[2][16];
        for (int k = 0; k < 2; k++) {
            size_t n = unit_random(&seed) % sizeof text[k];
            for (size_t j = 0; j < n; j++)
                text[k][j] = letters[unit_random(&seed) % (sizeof letters - 1)];
            text[k][n] = 0;
        }
        /* Copies of the exact size, so that a sanitizer sees a byte too many. */
        char *pattern = strdup(text[0]), *name = strdup(text[1]);
        rs_glob_match_name(pattern, name);
        match(pattern, name);
        free(pattern);
        free(name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names), cmocka_unit_test(test_paths), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_stars), cmocka_unit_test(test_sets),  cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
