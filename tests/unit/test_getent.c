/* getent as a process: a script in its place that answers, refuses, or talks without end. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "sys/host_getent.h"

static char dir[] = "/tmp/rs-test-XXXXXX";

static const char script[] = "#!/bin/sh\n"
                             "case \"$*\" in\n"
                             "'passwd bob') echo 'bob:x:77:77::/h:/s' ;;\n"
                             "'passwd a b') echo \"$#:$2\" ;;\n"
                             "passwd) echo all ;;\n"
                             "'passwd stdin') cat; echo end ;;\n"
                             "'passwd signals') kill -PIPE $$; echo alive ;;\n"
                             "'passwd endless') while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxx; done ;;\n"
                             "'passwd killed') kill -KILL $$ ;;\n"
                             "'passwd background') sleep 0.1 & echo x ;;\n"
                             "*) echo noise; echo noise >&2; exit 2 ;;\n"
                             "esac\n";

static int set_up(void **state)
{
    char name[64];
    assert_non_null(mkdtemp(dir));
    snprintf(name, sizeof name, "%s/getent", dir);
    int fd = open(name, O_WRONLY | O_CREAT, 0755);
    assert_int_equal(write(fd, script, sizeof script - 1), sizeof script - 1);
    close(fd);
    snprintf(name, sizeof name, "%s:/usr/bin:/bin", dir);
    signal(SIGPIPE, SIG_IGN);
    return setenv("PATH", name, 1);
}

static int tear_down(void **state)
{
    char name[64];
    snprintf(name, sizeof name, "%s/getent", dir);
    unlink(name);
    return rmdir(dir);
}

static void assert_no_children(void)
{
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static void test_answers(void **state)
{
    static const struct {
        const char *key;
        int err;
        const char *text; /* where err is 0 */
    } cases[] = {
        {"bob", 0, "bob:x:77:77::/h:/s\n"},
        {"a b", 0, "2:a b\n"},
        {NULL, 0, "all\n"},
        {"stdin", 0, "end\n"},
        {"background", 0, "x\n"},
        {"signals", -EIO, NULL},
        {"killed", -EIO, NULL},
        {"nobody", RS_ENOTFOUND, NULL},
        {"$(echo bob)", RS_ENOTFOUND, NULL},
        {"-x", RS_ENOTFOUND, NULL},
        {"", RS_ENOTFOUND, NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        rs_buf b;
        rs_buf_init(&b, 0);
        assert_int_equal(rs_host_getent("passwd", cases[i].key, &b), cases[i].err);
        if (cases[i].text) {
            assert_int_equal(rs_buf_len(&b), strlen(cases[i].text));
            assert_memory_equal(rs_buf_data(&b), cases[i].text, strlen(cases[i].text));
        }
        rs_buf_fini(&b);
    }
    assert_no_children();
}

static void test_endless_answer_is_cut_off(void **state)
{
    rs_buf b;
    rs_buf_init(&b, 100000);
    assert_int_equal(rs_host_getent("passwd", "endless", &b), RS_ELIMIT);
    rs_buf_fini(&b);
    assert_no_children();
}

static void test_without_getent(void **state)
{
    char path[64];
    rs_buf b;
    rs_buf_init(&b, 0);
    setenv("PATH", "/nonexistent", 1);
    assert_int_equal(rs_host_getent("passwd", "bob", &b), RS_ENOSYS);
    snprintf(path, sizeof path, "%s:/usr/bin:/bin", dir);
    setenv("PATH", path, 1);
    rs_buf_fini(&b);
    assert_no_children();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_endless_answer_is_cut_off),
        cmocka_unit_test(test_without_getent),
    };
    return cmocka_run_group_tests_name("getent", tests, set_up, tear_down);
}
