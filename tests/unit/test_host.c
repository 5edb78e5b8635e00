/* The parsers behind the host module. */
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "sys/host_getent.h"
#include "sys/host_text.h"

/* A copy without a byte to spare, so that the sanitizer sees a read past the end; one more where a NUL may be written. */
static char *exact(const char *s, size_t n, size_t more)
{
    char *copy = malloc(n + more > 0 ? n + more : 1);
    memcpy(copy, s, n);
    return copy;
}

static void test_os_release(void **state)
{
    static const struct {
        const char *line, *key, *value; /* key NULL: no setting */
    } cases[] = {
        {"ID=debian", "ID", "debian"},
        {"NAME=\"Debian GNU/Linux\"", "NAME", "Debian GNU/Linux"},
        {"NAME='x y'", "NAME", "x y"},
        {"V=\"a\\\"b\\$c\\`d\\\\e\"", "V", "a\"b$c`d\\e"},
        {"V=\"a\\nb\"", "V", "a\\nb"},
        {"V='a\"b'", "V", "a\"b"},
        {"V=\"it's\"", "V", "it's"},
        {"V=", "V", ""},
        {"V=\"\"", "V", ""},
        {"V=a b", "V", "a"},
        {"V=a # b", "V", "a"},
        {"V=#a", "V", "#a"},
        {"V= a", "V", ""},
        {"  V=a  ", "V", "a"},
        {"V=a\r", "V", "a"},
        {"V=a=b", "V", "a=b"},
        {"V=\"gr\xc3\xbcn\"", "V", "gr\xc3\xbcn"},
        {"VERSION_ID=\"12\"", "VERSION_ID", "12"},
        {"", NULL, NULL},
        {"# V=a", NULL, NULL},
        {"V", NULL, NULL},
        {"=a", NULL, NULL},
        {"1V=a", NULL, NULL},
        {"A-B=a", NULL, NULL},
        {"export V=a", NULL, NULL},
        {"V=\"a", NULL, NULL},
        {"V='a", NULL, NULL},
        {"V=a\\", NULL, NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char key[RS_HOST_KEY], value[RS_HOST_VALUE];
        size_t n = strlen(cases[i].line);
        char *line = exact(cases[i].line, n, 0);
        bool ok = rs_host_os_release_line(line, n, key, value);
        assert_int_equal(ok, cases[i].key != NULL);
        if (ok) {
            assert_string_equal(key, cases[i].key);
            assert_string_equal(value, cases[i].value);
        }
        free(line);
    }
}

static void test_os_release_too_long(void **state)
{
    char line[RS_HOST_VALUE + 100], key[RS_HOST_KEY], value[RS_HOST_VALUE];
    memset(line, 'x', sizeof line);
    memcpy(line, "KEY=", 4);
    assert_true(rs_host_os_release_line(line, RS_HOST_VALUE + 3, key, value));
    assert_false(rs_host_os_release_line(line, RS_HOST_VALUE + 4, key, value));
    memset(line, 'K', sizeof line);
    line[RS_HOST_KEY - 1] = '=';
    assert_true(rs_host_os_release_line(line, RS_HOST_KEY, key, value));
    line[RS_HOST_KEY - 1] = 'K';
    line[RS_HOST_KEY] = '=';
    assert_false(rs_host_os_release_line(line, RS_HOST_KEY + 1, key, value));
}

static void test_mounts(void **state)
{
    static const struct {
        const char *line, *device, *path, *type, *options;
    } cases[] = {
        {"proc /proc proc rw,nosuid 0 0", "proc", "/proc", "proc", "rw,nosuid"},
        {"/dev/sda1 / ext4 rw", "/dev/sda1", "/", "ext4", "rw"},
        {"x /a\\040b\\011c\\012d\\134e\\043f t o 0 0", "x", "/a b\tc\nd\\e#f", "t", "o"},
        {"a\\040b /x t o 0 0", "a b", "/x", "t", "o"},
        {"x /gr\\303\\274n t o", "x", "/gr\xc3\xbcn", "t", "o"},
        {"x /a\\04 t o", "x", "/a\\04", "t", "o"},
        {"x /a\\999 t o", "x", "/a\\999", "t", "o"},
        {"x /a\\400 t o", "x", "/a\\400", "t", "o"},
        {"x /a\\ t o", "x", "/a\\", "t", "o"},
        {"x /\\134040 t o", "x", "/\\040", "t", "o"},
        {"", NULL, NULL, NULL, NULL},
        {"a b c", NULL, NULL, NULL, NULL},
        {"a  c d", NULL, NULL, NULL, NULL},
        {"a b c ", NULL, NULL, NULL, NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        rs_host_mount m;
        size_t n = strlen(cases[i].line);
        char *line = exact(cases[i].line, n, 1);
        assert_int_equal(rs_host_mount_line(line, n, &m), cases[i].device != NULL);
        if (cases[i].device) {
            assert_string_equal(m.device, cases[i].device);
            assert_string_equal(m.path, cases[i].path);
            assert_string_equal(m.type, cases[i].type);
            assert_string_equal(m.options, cases[i].options);
        }
        free(line);
    }
}

#define REST " S 12 34 34 0 -1 4194304 100 0 0 0 5 6 0 0 20 0 1 0 98765 123456 77 18446744073709551615 1 1 0"

static void test_stat(void **state)
{
    static const struct {
        const char *text, *name; /* name NULL: wrong */
    } cases[] = {
        {"42 (bash)" REST, "bash"},
        {"42 ()" REST, ""},
        {"42 (a b)" REST, "a b"},
        {"42 (a) S 1 2)" REST, "a) S 1 2"},
        {"42 (()" REST, "("},
        {"42 ())" REST, ")"},
        {"42 (a\nb)" REST "\n", "a\nb"},
        {"42 (\xff\x01)" REST, "\xff\x01"},
        {"", NULL},
        {"42", NULL},
        {"42 (bash", NULL},
        {"42 bash)" REST, NULL},
        {"42 )(" REST, NULL},
        {"x (bash)" REST, NULL},
        {"-1 (bash)" REST, NULL},
        {"0 (bash)" REST, NULL},
        {"42 (bash) S 12 34", NULL},
        {"42 (bash) S 12 34 34 0 -1 4194304 100 0 0 0 5 6 0 0 20 0 1 0 x 123456 77", NULL},
        {"42 (bash)S 1", NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        rs_host_stat s;
        size_t n = strlen(cases[i].text);
        char *text = exact(cases[i].text, n, 0);
        assert_int_equal(rs_host_stat_parse(text, n, &s), cases[i].name != NULL);
        if (cases[i].name) {
            assert_int_equal(s.pid, 42);
            assert_int_equal(s.ppid, 12);
            assert_int_equal(s.pgid, 34);
            assert_int_equal(s.state, 'S');
            assert_int_equal(s.start, 98765);
            assert_int_equal(s.rss, 77);
            assert_int_equal(s.name_len, strlen(cases[i].name));
            assert_memory_equal(s.name, cases[i].name, s.name_len);
        }
        free(text);
    }
}

static void test_status_uid(void **state)
{
    static const struct {
        const char *text;
        int uid; /* -1: none */
    } cases[] = {
        {"Name:\tx\nUid:\t1000\t1001\t1002\t1003\nGid:\t5\t6\t7\t8\n", 1001},
        {"Uid:\t0\t0\t0\t0", 0},
        {"Name:\tx\n", -1},
        {"Name:\tUid:\t7\t8\n", -1},
        {"Uid:\t1000", -1},
        {"Uid:", -1},
        {"", -1},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint32_t uid = 99;
        size_t n = strlen(cases[i].text);
        char *text = exact(cases[i].text, n, 0);
        assert_int_equal(rs_host_status_uid(text, n, &uid), cases[i].uid >= 0);
        assert_int_equal(uid, cases[i].uid >= 0 ? cases[i].uid : 99);
        free(text);
    }
}

static void test_number(void **state)
{
    static const char text[] = "MemTotal:       16 kB\nMemFree:5\nMem:  7 kB\nBad: x\nHuge: 99999999999999999999 kB\n"
                               "Minus: -1\nLast: 8";
    static const struct {
        const char *name;
        long long value; /* -1: none */
    } cases[] = {
        {"MemTotal", 16384}, {"MemFree", 5}, {"Mem", 7168}, {"Bad", -1}, {"Huge", -1},
        {"Minus", -1},       {"Last", 8},    {"Me", -1},    {"", -1},    {"MemTotalX", -1},
    };
    size_t n = sizeof text - 1;
    char *copy = exact(text, n, 0);
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint64_t x = 0;
        assert_int_equal(rs_host_number(copy, n, cases[i].name, &x), cases[i].value >= 0);
        assert_int_equal(x, cases[i].value >= 0 ? cases[i].value : 0);
    }
    free(copy);
}

static void test_nsswitch(void **state)
{
    static const char text[] = "# passwd: ldap\npasswd:  files  \n group : files [NOTFOUND=return] sss # x\n"
                               "shadow:files#ldap\nhosts: files dns\nnetgroup:\ninitgroups: files\n";
    static const struct {
        const char *database;
        bool asks;
    } cases[] = {
        {"passwd", false},   {"group", true},       {"shadow", false},   {"hosts", true},
        {"netgroup", false}, {"initgroups", false}, {"services", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(rs_host_nsswitch_asks(text, cases[i].database), cases[i].asks);
    assert_true(rs_host_nsswitch_asks("group: files ldap", "initgroups"));
    assert_true(rs_host_nsswitch_asks("passwd: compat systemd\n", "passwd"));
    assert_false(rs_host_nsswitch_asks("passwd: compat", "passwd"));
    assert_false(rs_host_nsswitch_asks("passwd: files [", "passwd"));
    assert_false(rs_host_nsswitch_asks("", "passwd"));
}

static void test_read(void **state)
{
    rs_buf b;
    char large[20000], name[] = "/tmp/rs-test-XXXXXX";
    int fd = mkstemp(name);
    memset(large, 'x', sizeof large);
    assert_int_equal(write(fd, large, sizeof large), sizeof large);
    close(fd);
    rs_buf_init(&b, 0);
    assert_int_equal(rs_host_read(AT_FDCWD, name, &b), 0);
    assert_int_equal(rs_buf_len(&b), sizeof large);
    assert_memory_equal(rs_buf_data(&b), large, sizeof large);
    assert_int_equal(rs_buf_data(&b)[sizeof large], 0);
    unlink(name);
    assert_int_equal(rs_host_read(AT_FDCWD, name, &b), -2);
    assert_int_equal(rs_buf_len(&b), sizeof large);
    rs_buf_fini(&b);
}

/* All of them on one piece of bytes: what they say is of no interest, what the sanitizers say is. */
static void feed_all(const char *s, size_t n)
{
    char key[RS_HOST_KEY], value[RS_HOST_VALUE];
    uint32_t uid;
    uint64_t x;
    rs_host_mount m;
    rs_host_stat st;
    char *copy = exact(s, n, 0), *line = exact(s, n, 1);
    rs_host_os_release_line(copy, n, key, value);
    rs_host_stat_parse(copy, n, &st);
    rs_host_status_uid(copy, n, &uid);
    rs_host_number(copy, n, "Uid", &x);
    rs_host_mount_line(line, n, &m);
    free(copy);
    free(line);
}

static void test_truncated_and_flipped(void **state)
{
    static const char *const samples[] = {
        "NAME=\"Debian \\\"GNU\\\"/Linux\" # x",
        "/dev/sda1 /mnt/a\\040b\\134 ext4 rw,relatime 0 0",
        ("42 (a) b)" REST),
        "Name:\tx\nUid:\t1000\t1001\t1002\t1003\n",
    };
    for (size_t i = 0; i < COUNT(samples); i++) {
        size_t n = strlen(samples[i]);
        for (size_t cut = 0; cut <= n; cut++)
            feed_all(samples[i], cut);
        for (size_t at = 0; at < n; at++) {
            for (int bit = 0; bit < 8; bit++) {
                char *flipped = exact(samples[i], n, 1);
                flipped[at] = (char)(flipped[at] ^ (1 << bit));
                feed_all(flipped, n);
                free(flipped);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_os_release),
        cmocka_unit_test(test_os_release_too_long),
        cmocka_unit_test(test_mounts),
        cmocka_unit_test(test_stat),
        cmocka_unit_test(test_status_uid),
        cmocka_unit_test(test_number),
        cmocka_unit_test(test_nsswitch),
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_truncated_and_flipped),
    };
    return cmocka_run_group_tests_name("host", tests, NULL, NULL);
}
