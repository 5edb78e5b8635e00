#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/fs_temp.h"

static char path[256];
static int dir = -1;

static int setup(void **state)
{
    const char *base = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/test_fs_temp-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(path))
        return -1;
    dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dir < 0 ? -1 : 0;
}

static int teardown(void **state)
{
    unlinkat(dir, "file", 0);
    close(dir);
    return rmdir(path); /* anything left makes this fail */
}

static int count(void)
{
    DIR *d = opendir(path);
    int n = -2;
    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static void put(const char *text)
{
    int fd = openat(dir, "file", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void check(const char *text)
{
    char mem[16] = "";
    int fd = openat(dir, "file", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_true(read(fd, mem, sizeof mem - 1) >= 0);
    close(fd);
    assert_string_equal(mem, text);
}

static void open_with(rs_fs_temp *t, bool named, const char *text)
{
    assert_int_equal(rs_fs_temp_open(t, dir, 0600, named), 0);
    assert_true(!named || t->name[0]);
    assert_int_equal(write(t->fd, text, strlen(text)), strlen(text));
}

/* Both ways do the same: the one with a name from the start is for file systems that have no other. */
static void each_way(void (*test)(bool named))
{
    test(true);
    unlinkat(dir, "file", 0);
    test(false);
    unlinkat(dir, "file", 0);
}

static void new_file(bool named)
{
    rs_fs_temp t;
    struct stat st;
    open_with(&t, named, "new");
    assert_int_equal(rs_fs_temp_commit(&t, "file", false), 0);
    rs_fs_temp_close(&t);
    check("new");
    assert_int_equal(count(), 1);
    assert_int_equal(fstatat(dir, "file", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_nlink, 1);
}

static void test_new(void **state)
{
    each_way(new_file);
}

static void replaced(bool named)
{
    rs_fs_temp t;
    put("old");
    open_with(&t, named, "new");
    assert_int_equal(rs_fs_temp_commit(&t, "file", true), 0);
    rs_fs_temp_close(&t);
    check("new");
    assert_int_equal(count(), 1);
}

static void test_replace(void **state)
{
    each_way(replaced);
}

static void refused(bool named)
{
    rs_fs_temp t;
    put("old");
    open_with(&t, named, "new");
    assert_int_equal(rs_fs_temp_commit(&t, "file", false), -EEXIST);
    check("old");
    assert_int_equal(rs_fs_temp_commit(&t, "no/file", true), -ENOENT);
    rs_fs_temp_close(&t);
    rs_fs_temp_close(&t);
    check("old");
    assert_int_equal(count(), 1);
}

static void test_no_replace(void **state)
{
    each_way(refused);
}

static void forgotten(bool named)
{
    rs_fs_temp t;
    assert_int_equal(rs_fs_temp_open(&t, dir, 0600, named), 0);
    rs_fs_temp_close(&t);
    assert_int_equal(count(), 0);
}

static void test_forgotten(void **state)
{
    each_way(forgotten);
}

static void test_no_folder(void **state)
{
    rs_fs_temp t;
    int fd = open("/proc/self", O_PATH | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_true(rs_fs_temp_open(&t, fd, 0600, false) < 0);
    rs_fs_temp_close(&t);
    close(fd);
}

static int taken(void *user, int in, const char *name)
{
    int *calls = user;
    ++*calls;
    assert_int_equal(in, 7);
    assert_int_equal(strlen(name), 24);
    assert_int_equal(strspn(name + 8, "abcdefghijklmnopqrstuvwxyz234567"), 16);
    return *calls < 3 ? -EEXIST : *calls == 3 ? 0 : -EIO;
}

static int always_taken(void *user, int in, const char *name)
{
    (void)in;
    (void)name;
    ++*(int *)user;
    return -EEXIST;
}

static void test_names(void **state)
{
    char name[32], other[32];
    int calls = 0;
    assert_int_equal(rs_fs_temp_try(7, name, taken, &calls), 0);
    assert_int_equal(calls, 3);
    assert_int_equal(rs_fs_temp_try(7, other, taken, &calls), -EIO);
    assert_string_not_equal(name, other);
    calls = 0;
    assert_int_equal(rs_fs_temp_try(7, other, always_taken, &calls), -EEXIST);
    assert_int_equal(calls, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new),       cmocka_unit_test(test_replace),   cmocka_unit_test(test_no_replace),
        cmocka_unit_test(test_forgotten), cmocka_unit_test(test_no_folder), cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
