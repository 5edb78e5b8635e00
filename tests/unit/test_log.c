#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define RS_LOG_MODULE "test"
#include "base/log.h"

struct seen {
    int count;
    rs_log_level level;
    char module[32];
    char text[5000];
};

static void remember(void *user, rs_log_level level, const char *module, const char *text)
{
    struct seen *s = user;
    s->count++;
    s->level = level;
    snprintf(s->module, sizeof s->module, "%s", module);
    snprintf(s->text, sizeof s->text, "%s", text);
}

static int reset(void **state)
{
    rs_log_set_sink(NULL, NULL);
    rs_log_set_level(RS_LOG_WARN);
    return 0;
}

static void test_levels(void **state)
{
    struct seen s = {0};
    rs_log_set_sink(remember, &s);
    assert_true(rs_log_on(RS_LOG_ERROR));
    assert_true(rs_log_on(RS_LOG_WARN));
    assert_false(rs_log_on(RS_LOG_INFO));
    rs_info("not shown");
    assert_int_equal(s.count, 0);
    rs_warn("shown %d", 1);
    assert_int_equal(s.count, 1);
    assert_int_equal(s.level, RS_LOG_WARN);
    assert_string_equal(s.module, "test");
    assert_string_equal(s.text, "shown 1");
    rs_log_set_level(RS_LOG_TRACE);
    rs_trace("too");
    assert_int_equal(s.count, 2);
    rs_log_set_level(RS_LOG_ERROR);
    rs_warn("not");
    assert_int_equal(s.count, 2);
}

static int counted(int *calls)
{
    return ++*calls;
}

static void test_arguments_cost_nothing_when_off(void **state)
{
    int calls = 0;
    rs_debug("%d", counted(&calls));
    assert_int_equal(calls, 0);
}

static void test_text(void **state)
{
    static char longest[4000];
    struct seen s = {0};
    rs_log_set_sink(remember, &s);
    rs_error("ends\n\n");
    assert_string_equal(s.text, "ends");
    rs_error("two\nlines");
    assert_string_equal(s.text, "two\nlines");
    rs_error("%s", "");
    assert_string_equal(s.text, "");
    for (size_t n = 500; n < 530; n++) {
        memset(longest, 'x', n);
        longest[n] = '\0';
        rs_error("%s", longest);
        assert_string_equal(s.text, longest);
    }
    memset(longest, 'y', sizeof longest - 1);
    rs_error("%s", longest);
    assert_string_equal(s.text, longest);
}

static void test_errno_is_kept(void **state)
{
    struct seen s = {0};
    rs_log_set_sink(remember, &s);
    errno = EXDEV;
    rs_error("%s", "x");
    assert_int_equal(errno, EXDEV);
}

static void test_names(void **state)
{
    for (int i = RS_LOG_ERROR; i <= RS_LOG_TRACE; i++)
        assert_int_equal(rs_log_level_from_name(rs_log_level_name((rs_log_level)i)), i);
    assert_int_equal(rs_log_level_from_name("warn"), RS_LOG_WARN);
    assert_int_equal(rs_log_level_from_name("DEBUG"), RS_LOG_DEBUG);
    assert_int_equal(rs_log_level_from_name("loud"), -1);
    assert_int_equal(rs_log_level_from_name(""), -1);
}

/* What the default sink writes for one message. */
static void on_stderr(const char *message, char *out, size_t room)
{
    int fds[2], saved = dup(STDERR_FILENO);
    assert_int_equal(pipe(fds), 0);
    dup2(fds[1], STDERR_FILENO);
    close(fds[1]);
    rs_error("%s", message);
    dup2(saved, STDERR_FILENO);
    close(saved);
    ssize_t n = read(fds[0], out, room - 1);
    close(fds[0]);
    assert_true(n >= 0);
    out[n] = '\0';
}

static void test_default_sink(void **state)
{
    static const struct {
        const char *message, *line;
    } cases[] = {
        {"plain", "rshell: error: test: plain\n"},
        {"a\tb\nc", "rshell: error: test: a\\x09b\\x0ac\n"},
        {"\x1b[31mred", "rshell: error: test: \\x1b[31mred\n"},
        {"\x7f", "rshell: error: test: \\x7f\n"},
        {"gr\xc3\xbc\xc3\x9f \xe2\x82\xac", "rshell: error: test: gr\xc3\xbc\xc3\x9f \xe2\x82\xac\n"},
        {"\xc2\x9b"
         "31m",
         "rshell: error: test: \\xc2\\x9b31m\n"},
        {"\x9b"
         "31m\xff",
         "rshell: error: test: \\x9b31m\\xff\n"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char line[200];
        on_stderr(cases[i].message, line, sizeof line);
        assert_string_equal(line, cases[i].line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_levels, reset, reset),
        cmocka_unit_test_setup_teardown(test_arguments_cost_nothing_when_off, reset, reset),
        cmocka_unit_test_setup_teardown(test_text, reset, reset),
        cmocka_unit_test_setup_teardown(test_errno_is_kept, reset, reset),
        cmocka_unit_test_setup_teardown(test_names, reset, reset),
        cmocka_unit_test_setup_teardown(test_default_sink, reset, reset),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
