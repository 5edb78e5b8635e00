/* Accounts and groups: the lines, the file that is read again when it changes, and what the system's own files say. */
#include "unit.h"

#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "sys/users.h"
#include "sys/users_file.h"

static bool parse(const char *text, rs_users_line *line)
{
    return rs_users_line_parse(text, strlen(text), line);
}

static void test_user_lines(void **state)
{
    static const struct {
        const char *text; /* name NULL: no account */
        const char *name;
        unsigned uid, gid;
        const char *gecos, *home, *shell;
    } cases[] = {
        {"root:x:0:0:root:/root:/bin/bash", "root", 0, 0, "root", "/root", "/bin/bash"},
        {"a:x:1:2:::", "a", 1, 2, "", "", ""},
        {"a:x:1:2", "a", 1, 2, "", "", ""},
        {"a::1:2:A,B,C:/h:/s:more", "a", 1, 2, "A,B,C", "/h", "/s"},
        {"a b:x:1:2:g:/h:/s", "a b", 1, 2, "g", "/h", "/s"},
        {"DOM\\u:x:4294967294:2:g:/h:/s", "DOM\\u", 4294967294u, 2, "g", "/h", "/s"},
        {"", NULL, 0, 0, NULL, NULL, NULL},
        {"#root:x:0:0::/:", NULL, 0, 0, NULL, NULL, NULL},
        {"+", NULL, 0, 0, NULL, NULL, NULL},
        {"+::::::", NULL, 0, 0, NULL, NULL, NULL},
        {"-bob::1:2:::", NULL, 0, 0, NULL, NULL, NULL},
        {":x:1:2:::", NULL, 0, 0, NULL, NULL, NULL},
        {"a:x", NULL, 0, 0, NULL, NULL, NULL},
        {"a:x:1", NULL, 0, 0, NULL, NULL, NULL},
        {"a:x::2:::", NULL, 0, 0, NULL, NULL, NULL},
        {"a:x:-1:2:::", NULL, 0, 0, NULL, NULL, NULL},
        {"a:x:1x:2:::", NULL, 0, 0, NULL, NULL, NULL},
        {"a:x: 1:2:::", NULL, 0, 0, NULL, NULL, NULL},
        {"a:x:4294967295:2:::", NULL, 0, 0, NULL, NULL, NULL},
        {"a:x:99999999999999999999:2:::", NULL, 0, 0, NULL, NULL, NULL},
        {"a:x:1:x:::", NULL, 0, 0, NULL, NULL, NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        rs_users_line line;
        rs_user u = {0};
        bool ok = parse(cases[i].text, &line) && rs_users_line_user(&line, &u);
        assert_int_equal(ok, cases[i].name != NULL);
        if (!ok)
            continue;
        assert_string_equal(u.name, cases[i].name);
        assert_true(u.uid == cases[i].uid && u.gid == cases[i].gid);
        assert_string_equal(u.gecos, cases[i].gecos);
        assert_string_equal(u.home, cases[i].home);
        assert_string_equal(u.shell, cases[i].shell);
    }
}

static void test_long_fields(void **state)
{
    static char text[20000];
    rs_users_line line;
    rs_user u;
    snprintf(text, sizeof text, "a:x:1:2:%01000d:/h:/s", 0);
    assert_true(parse(text, &line) && rs_users_line_user(&line, &u));
    assert_int_equal(strlen(u.gecos), sizeof u.gecos - 1);
    assert_string_equal(u.home, "/h");
    snprintf(text, sizeof text, "a:x:1:2:g:/%05000d:/s", 0);
    assert_true(parse(text, &line));
    assert_false(rs_users_line_user(&line, &u));
    snprintf(text, sizeof text, "%0300d:x:1:2:g:/h:/s", 0);
    assert_false(parse(text, &line));
}

static void test_group_members(void **state)
{
    static const struct {
        const char *text, *members;
    } cases[] = {
        {"g:x:5:", ""},
        {"g:x:5", ""},
        {"g:x:5:a", "<a>"},
        {"g:x:5:a,b", "<a><b>"},
        {"g:x:5:,a,,b,", "<a><b>"},
        {"g:x:5:a b,c:d", "<a b><c>"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        rs_users_line line;
        rs_group g = {0};
        char got[100] = "";
        const char *name;
        size_t len, pos = 0;
        assert_true(parse(cases[i].text, &line) && rs_users_line_group(&line, &g));
        assert_string_equal(g.name, "g");
        assert_int_equal(g.gid, 5);
        while (rs_users_line_member(&line, &pos, &name, &len))
            snprintf(got + strlen(got), sizeof got - strlen(got), "<%.*s>", (int)len, name);
        assert_string_equal(got, cases[i].members);
    }
}

static void test_lines_flipped(void **state)
{
    static const char sample[] = "user:x:1000:1001:Some One,,,:/home/user:/bin/sh";
    size_t n = sizeof sample - 1;
    for (size_t cut = 1; cut <= n; cut++) {
        for (int bit = 0; bit < 8; bit++) {
            char *copy = malloc(cut), *exact = malloc(cut);
            rs_users_line line;
            rs_user u;
            size_t pos = 0, len;
            const char *name;
            memcpy(copy, sample, cut);
            copy[cut / 2] = (char)(copy[cut / 2] ^ (1 << bit));
            memcpy(exact, copy, cut);
            if (rs_users_line_parse(exact, cut, &line)) {
                rs_users_line_user(&line, &u);
                while (rs_users_line_member(&line, &pos, &name, &len))
                    assert_true(name >= exact && name + len <= exact + cut);
            }
            free(copy);
            free(exact);
        }
    }
}

/* A file of our own, made anew by rename as useradd does. */
struct file {
    char name[32], next[40];
    rs_users_file file;
};

static void put(struct file *f, const char *text)
{
    int fd = open(f->next, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    assert_int_equal(rename(f->next, f->name), 0);
}

static int use_id(void *user, const rs_users_line *line)
{
    *(uint32_t *)user = line->id;
    return 0;
}

static int id_of(struct file *f, const char *name)
{
    uint32_t id = 0;
    int err = rs_users_file_find(&f->file, name, 0, use_id, &id);
    return err ? err : (int)id;
}

static int count_lines(void *user, const rs_users_line *line)
{
    (*(int *)user)++;
    return 0;
}

static void start(struct file *f)
{
    *f = (struct file){.name = "/tmp/rs-test-XXXXXX", .file = RS_USERS_FILE(NULL)};
    int fd = mkstemp(f->name);
    assert_true(fd >= 0);
    close(fd);
    f->file.path = f->name;
    snprintf(f->next, sizeof f->next, "%s.new", f->name);
}

static void end(struct file *f)
{
    unlink(f->name);
    rs_users_file_fini(&f->file);
}

static void test_file_is_read_again(void **state)
{
    struct file f;
    int n = 0;
    start(&f);
    assert_int_equal(id_of(&f, "a"), RS_ENOTFOUND);
    put(&f, "a:x:1:1:::\nb:x:2:2:::\n#c:x:3:3:::\na:x:9:9:::\n");
    assert_int_equal(id_of(&f, "a"), 1);
    assert_int_equal(id_of(&f, "b"), 2);
    assert_int_equal(id_of(&f, "c"), RS_ENOTFOUND);
    assert_int_equal(id_of(&f, ""), RS_ENOTFOUND);
    put(&f, "b:x:3:2:::");
    assert_int_equal(id_of(&f, "a"), RS_ENOTFOUND);
    assert_int_equal(id_of(&f, "b"), 3);
    assert_int_equal(rs_users_file_each(&f.file, count_lines, &n), 0);
    assert_int_equal(n, 1);
    unlink(f.name);
    assert_int_equal(id_of(&f, "b"), RS_ENOTFOUND);
    end(&f);
}

/* The same size within one tick of the clock, and not by rename. */
static void test_file_changed_in_place(void **state)
{
    struct file f;
    start(&f);
    for (int i = 0; i < 200; i++) {
        char text[32];
        snprintf(text, sizeof text, "a:x:%03d:1:::\n", i);
        int fd = open(f.name, O_WRONLY);
        assert_int_equal(pwrite(fd, text, strlen(text), 0), strlen(text));
        close(fd);
        assert_int_equal(id_of(&f, "a"), i);
    }
    end(&f);
}

static void test_old_file_is_kept(void **state)
{
    struct file f;
    start(&f);
    put(&f, "a:x:1:1:::\n");
    const struct timespec old[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    assert_int_equal(utimensat(AT_FDCWD, f.name, old, 0), 0);
    assert_int_equal(id_of(&f, "a"), 1);
    const char *text = f.file.text;
    assert_int_equal(id_of(&f, "a"), 1);
    assert_ptr_equal(f.file.text, text);
    assert_true(f.file.fresh);
    end(&f);
}

static void test_missing_and_unreadable(void **state)
{
    rs_users_file missing = RS_USERS_FILE("/nonexistent/passwd");
    rs_users_file folder = RS_USERS_FILE("/");
    int n = 0;
    assert_int_equal(rs_users_file_each(&missing, count_lines, &n), 0);
    assert_int_equal(n, 0);
    assert_true(rs_users_file_each(&folder, count_lines, &n) < 0);
    rs_users_file_fini(&missing);
    rs_users_file_fini(&folder);
}

/* libc must say the same about this machine's local accounts. */
static int same_user_as_libc(void *user, const rs_users_line *line)
{
    rs_user u = {0}, by_name = {0}, by_id = {0};
    struct passwd entry, *p = NULL;
    char buf[8192];
    int *n = user;
    if (!rs_users_line_user(line, &u))
        return 0;
    assert_int_equal(getpwnam_r(u.name, &entry, buf, sizeof buf, &p), 0);
    assert_non_null(p);
    assert_int_equal(p->pw_uid, u.uid);
    assert_int_equal(p->pw_gid, u.gid);
    assert_string_equal(p->pw_dir, u.home);
    assert_string_equal(p->pw_shell, u.shell);
    assert_int_equal(rs_users_find(u.name, &by_name), 0);
    assert_string_equal(by_name.home, u.home);
    assert_int_equal(rs_users_find_id(u.uid, &by_id), 0);
    assert_int_equal(getpwuid_r(u.uid, &entry, buf, sizeof buf, &p), 0);
    assert_non_null(p);
    assert_string_equal(by_id.name, p->pw_name);
    ++*n;
    return 0;
}

static int same_group_as_libc(void *user, const rs_users_line *line)
{
    rs_group g = {0}, found = {0};
    struct group entry, *p = NULL;
    char buf[8192], name[RS_NAME_MAX];
    assert_true(rs_users_line_group(line, &g));
    assert_int_equal(getgrnam_r(g.name, &entry, buf, sizeof buf, &p), 0);
    assert_non_null(p);
    assert_int_equal(p->gr_gid, g.gid);
    assert_int_equal(rs_groups_find(g.name, &found), 0);
    assert_int_equal(found.gid, g.gid);
    assert_int_equal(rs_groups_name(g.gid, name, sizeof name), 0);
    ++*(int *)user;
    return 0;
}

static void test_against_libc(void **state)
{
    rs_users_file passwd = RS_USERS_FILE("/etc/passwd"), group = RS_USERS_FILE("/etc/group");
    int n = 0, m = 0;
    assert_int_equal(rs_users_file_each(&passwd, same_user_as_libc, &n), 0);
    assert_int_equal(rs_users_file_each(&group, same_group_as_libc, &m), 0);
    assert_true(n > 0 && m > 0);
    rs_users_file_fini(&passwd);
    rs_users_file_fini(&group);
}

static void test_ids(void **state)
{
    char name[8];
    uid_t uid = 7;
    gid_t gid = 7;
    rs_user u;
    assert_int_equal(rs_users_id("root", &uid), 0);
    assert_int_equal(uid, 0);
    assert_int_equal(rs_users_id("12345", &uid), 0);
    assert_int_equal(uid, 12345);
    assert_int_equal(rs_groups_id("54321", &gid), 0);
    assert_int_equal(gid, 54321);
    static const char *const wrong[] = {"", "nosuchuser", "-1", "+1", "1x", " 1", "4294967295", "-h", "a:b", "root\n"};
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_int_equal(rs_users_id(wrong[i], &uid), RS_ENOTFOUND);
    assert_int_equal(uid, 12345);
    assert_int_equal(rs_users_find("0", &u), RS_ENOTFOUND);
    assert_int_equal(rs_users_name(54321, name, sizeof name), RS_ENOTFOUND);
    assert_string_equal(name, "54321");
    assert_int_equal(rs_users_name(0, name, 4), RS_ELIMIT);
    assert_int_equal(rs_users_name(0, name, 5), 0);
}

static void *ask_often(void *arg)
{
    char name[RS_NAME_MAX];
    for (uid_t i = 0; i < 2000; i++)
        rs_users_name(i % 40, name, sizeof name);
    return arg;
}

static void test_threads(void **state)
{
    pthread_t threads[4];
    for (size_t i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_often, NULL), 0);
    for (size_t i = 0; i < COUNT(threads); i++)
        pthread_join(threads[i], NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_user_lines),
        cmocka_unit_test(test_long_fields),
        cmocka_unit_test(test_group_members),
        cmocka_unit_test(test_lines_flipped),
        cmocka_unit_test(test_file_is_read_again),
        cmocka_unit_test(test_file_changed_in_place),
        cmocka_unit_test(test_old_file_is_kept),
        cmocka_unit_test(test_missing_and_unreadable),
        cmocka_unit_test(test_against_libc),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests_name("users", tests, NULL, NULL);
}
