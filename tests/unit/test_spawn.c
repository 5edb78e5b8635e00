/* The spawner and process groups. The test is its own child in some cases: `test_spawn --MODE ...`. */
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "loop/loop.h"
#include "loop/proc.h"
#include "loop/spawn.h"
#include "loop/timer.h"

static const char *const plain_env[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", NULL};
static char self[PATH_MAX], dir[] = "/tmp/rshell-test-spawn.XXXXXX";
static rs_loop *loop;

/* ---- a run of one program, its output collected ---- */

/* What ends with NULL is argv; the rest of the spec is the caller's. */
static rs_spawn_spec spec_of(const char *const *argv)
{
    return (rs_spawn_spec){.argv = argv, .env = plain_env, .fds = {-1, -1, -1}, .umask = -1, .foreground = -1};
}

static void read_all(int fd, rs_buf *out)
{
    char *to;
    ssize_t n;
    do {
        assert_int_equal(rs_buf_reserve(out, 4096, &to), 0);
        n = read(fd, to, 4096);
        if (n > 0)
            rs_buf_commit(out, (size_t)n);
    } while (n > 0 || (n < 0 && errno == EINTR));
    close(fd);
}

/* Starts it with stdout and stderr to a pipe; gives the wait status, and what was printed. */
static int run_spec(rs_spawn_spec *s, rs_buf *out)
{
    int p[2], status;
    rs_spawned child;
    rs_buf_init(out, 0);
    assert_int_equal(pipe2(p, O_CLOEXEC), 0);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    s->fds[0] = null;
    s->fds[1] = s->fds[2] = p[1];
    assert_int_equal(rs_spawn(s, &child), 0);
    close(p[1]);
    close(null);
    read_all(p[0], out);
    assert_int_equal(waitpid(child.pid, &status, 0), child.pid);
    if (child.pidfd >= 0)
        close(child.pidfd);
    return status;
}

static void assert_prints(rs_spawn_spec *s, const char *expected)
{
    rs_buf out;
    assert_int_equal(run_spec(s, &out), 0);
    assert_int_equal(rs_buf_add_char(&out, '\0'), 0);
    assert_string_equal(rs_buf_data(&out), expected);
    rs_buf_fini(&out);
}

/* The error of a start that must fail, and its step. */
static int fails(rs_spawn_spec *s, rs_spawn_step *step)
{
    rs_spawned child;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int i = 0; i < 3; i++)
        s->fds[i] = s->fds[i] == -1 ? null : s->fds[i];
    int err = rs_spawn(s, &child);
    close(null);
    *step = child.step;
    assert_int_equal(child.pid, -1);
    assert_int_equal(child.pidfd, -1);
    return err;
}

static void assert_no_children(void)
{
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static char *path_in_dir(const char *name)
{
    static char paths[4][PATH_MAX];
    static int next;
    char *p = paths[next++ % 4];
    snprintf(p, PATH_MAX, "%s/%s", dir, name);
    return p;
}

static const char *file_in_dir(const char *name, const char *content, mode_t mode)
{
    const char *path = path_in_dir(name);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fputs(content, f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, mode), 0);
    return path;
}

/* ---- what the program gets ---- */

static int child_argv(int argc, char **argv)
{
    for (int i = 2; i < argc; i++)
        fwrite(argv[i], 1, strlen(argv[i]) + 1, stdout);
    return 0;
}

static void test_argv_is_exact(void **state)
{
    static char bytes[256], big[120000];
    for (int i = 1; i < 256; i++)
        bytes[i - 1] = (char)i;
    memset(big, 'x', sizeof big - 1);
    const char *args[] = {bytes, "", " ", "-n", "--", "a b", "'\"$(x)`;|&*?[]{}<>!#~\\", "\n", "", big, "last"};
    const char *argv[COUNT(args) + 3] = {self, "--argv"};
    rs_buf expected, out;
    rs_buf_init(&expected, 0);
    for (size_t i = 0; i < COUNT(args); i++) {
        argv[i + 2] = args[i];
        assert_int_equal(rs_buf_add(&expected, args[i], strlen(args[i]) + 1), 0);
    }
    rs_spawn_spec s = spec_of(argv);
    assert_int_equal(run_spec(&s, &out), 0);
    assert_int_equal(rs_buf_len(&out), rs_buf_len(&expected));
    assert_memory_equal(rs_buf_data(&out), rs_buf_data(&expected), rs_buf_len(&out));
    rs_buf_fini(&out);
    rs_buf_fini(&expected);
}

static void test_env_is_exact(void **state)
{
    const char *const env[] = {"PATH=/usr/bin:/bin", "A=1", "b.c=\xff=\n", "EMPTY=", NULL};
    rs_spawn_spec s = spec_of((const char *const[]){"env", "-0", NULL});
    rs_buf out;
    s.env = env;
    assert_int_equal(run_spec(&s, &out), 0);
    const char expected[] = "PATH=/usr/bin:/bin\0A=1\0b.c=\xff=\n\0EMPTY=";
    assert_int_equal(rs_buf_len(&out), sizeof expected);
    assert_memory_equal(rs_buf_data(&out), expected, sizeof expected);
    rs_buf_fini(&out);
}

static void test_cwd(void **state)
{
    rs_spawn_spec s = spec_of((const char *const[]){"pwd", "-P", NULL});
    char expected[PATH_MAX + 1];
    snprintf(expected, sizeof expected, "%s\n", dir);
    s.cwd = dir;
    assert_prints(&s, expected);
    s.cwd = "/";
    assert_prints(&s, "/\n");
}

static void test_umask(void **state)
{
    mode_t ours = umask(027);
    rs_spawn_spec s = spec_of((const char *const[]){"sh", "-c", "umask", NULL});
    assert_prints(&s, "0027\n");
    s.umask = 0;
    assert_prints(&s, "0000\n");
    s.umask = 0777;
    assert_prints(&s, "0777\n");
    assert_int_equal(umask(ours), 027); /* and ours is as it was */
}

/* Whatever is open here, on purpose or not, the program has 0, 1 and 2; `ls` opens 3. */
static void test_no_fd_leaks(void **state)
{
    int leaky[20];
    for (size_t i = 0; i < COUNT(leaky); i++)
        leaky[i] = open("/dev/zero", O_RDONLY); /* NOLINT: without close on exec */
    int high = fcntl(leaky[0], F_DUPFD, 500);
    rs_spawn_spec s = spec_of((const char *const[]){"ls", "/proc/self/fd", NULL});
    assert_prints(&s, "0\n1\n2\n3\n");
    for (size_t i = 0; i < COUNT(leaky); i++)
        close(leaky[i]);
    close(high);
}

/* Writes what its fds are to a file. */
static int child_fds(int argc, char **argv)
{
    FILE *f = fopen(argv[2], "we");
    for (int i = 0; i < 3; i++) {
        char path[40], to[PATH_MAX];
        snprintf(path, sizeof path, "/proc/self/fd/%d", i);
        ssize_t n = readlink(path, to, sizeof to);
        fprintf(f, "%.*s\n", n < 0 ? 0 : (int)n, to);
    }
    return fclose(f);
}

/* Starts it with these sources; `files` are our 0 to 2 meanwhile, if crossed. */
static int run_with_fds(rs_spawn_spec *s, const int *files, bool crossed)
{
    rs_spawned child;
    int saved[3], status = -1;
    for (int i = 0; i < 3; i++)
        saved[i] = fcntl(i, F_DUPFD_CLOEXEC, 100);
    for (int i = 0; crossed && i < 3; i++)
        dup3(files[i], i, O_CLOEXEC);
    if (rs_spawn(s, &child) == 0)
        waitpid(child.pid, &status, 0);
    for (int i = 0; i < 3; i++) {
        dup2(saved[i], i);
        close(saved[i]);
    }
    close(child.pidfd);
    return status;
}

/* Sources in any order, also 0 to 2 themselves, crossed. */
static void test_fds_in_any_order(void **state)
{
    static const int orders[][3] = {{0, 1, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}, {0, 0, 0}, {1, 1, 2}, {2, 2, 1}};
    static const char *const names[] = {"a", "b", "c"};
    const char *const argv[] = {self, "--fds", path_in_dir("links"), NULL};
    int files[3];
    for (int i = 0; i < 3; i++)
        files[i] = open(file_in_dir(names[i], "", 0600), O_RDWR | O_CLOEXEC);
    for (size_t k = 0; k < 2 * COUNT(orders); k++) {
        const int *order = orders[k / 2];
        char expected[300], got[300] = "";
        rs_spawn_spec s = spec_of(argv);
        for (int i = 0; i < 3; i++)
            s.fds[i] = k % 2 ? order[i] : files[order[i]];
        assert_int_equal(run_with_fds(&s, files, k % 2), 0);
        snprintf(expected, sizeof expected, "%s/%s\n%s/%s\n%s/%s\n", dir, names[order[0]], dir, names[order[1]], dir,
                 names[order[2]]);
        FILE *f = fopen(argv[2], "re");
        got[fread(got, 1, sizeof got - 1, f)] = '\0';
        fclose(f);
        assert_string_equal(got, expected);
    }
    for (int i = 0; i < 3; i++)
        close(files[i]);
}

static void on_signal(int sig)
{
}

/* Ignored and handled ones are the default there, and none is blocked. */
static void test_signals_are_reset(void **state)
{
    static const int touched[] = {SIGPIPE, SIGINT, SIGQUIT, SIGHUP, SIGTSTP, SIGCHLD, SIGUSR1};
    struct sigaction before[COUNT(touched)];
    sigset_t all, old;
    for (size_t i = 0; i < COUNT(touched); i++) {
        struct sigaction sa = {.sa_handler = i % 2 ? on_signal : SIG_IGN};
        if (touched[i] == SIGCHLD)
            sa.sa_handler = on_signal; /* ignored, it would reap */
        sigaction(touched[i], &sa, &before[i]);
    }
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &old);
    rs_spawn_spec s = spec_of((const char *const[]){"cat", "/proc/self/status", NULL});
    rs_buf out;
    int status = run_spec(&s, &out);
    sigset_t now;
    sigprocmask(SIG_SETMASK, &old, &now);
    for (size_t i = 0; i < COUNT(touched); i++)
        sigaction(touched[i], &before[i], NULL);
    assert_int_equal(status, 0);
    assert_int_equal(rs_buf_add_char(&out, '\0'), 0);
    assert_non_null(strstr(rs_buf_data(&out), "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"
                                              "SigCgt:\t0000000000000000\n"));
    rs_buf_fini(&out);
    assert_true(sigismember(&now, SIGUSR1)); /* ours is as it was */
}

static void test_sigpipe_ends_the_program(void **state)
{
    int p[2], status;
    rs_spawned child;
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(pipe2(p, O_CLOEXEC), 0);
    close(p[0]);
    rs_spawn_spec s = spec_of((const char *const[]){"yes", NULL});
    s.fds[0] = s.fds[2] = open("/dev/null", O_RDWR | O_CLOEXEC);
    s.fds[1] = p[1];
    assert_int_equal(rs_spawn(&s, &child), 0);
    assert_int_equal(waitpid(child.pid, &status, 0), child.pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
    close(s.fds[0]);
    close(p[1]);
    close(child.pidfd);
}

static void test_own_group(void **state)
{
    char session[20];
    snprintf(session, sizeof session, "%d", (int)getsid(0));
    static const char script[] = "read -r pid name state parent group session rest </proc/$$/stat;"
                                 "echo $((pid == group)) $((session == $0))";
    const char *const argv[] = {"sh", "-c", script, session, NULL};
    rs_spawn_spec s = spec_of(argv);
    assert_prints(&s, "1 1\n");
    s.keep = true; /* its own session, so that nothing of ours takes it along */
    assert_prints(&s, "1 0\n");
}

static void test_ids(void **state)
{
    static const gid_t groups[] = {65534, 12345, 54321};
    rs_spawn_ids ids = {.uid = 65534, .gid = 65533, .groups = groups, .ngroups = COUNT(groups)};
    rs_spawn_spec s = spec_of((const char *const[]){"sh", "-c", "id -u; id -g; id -G", NULL});
    if (geteuid() != 0)
        skip();
    s.ids = &ids;
    assert_prints(&s, "65534\n65533\n65533 12345 54321 65534\n");
    assert_int_equal(geteuid(), 0); /* of every thread: the raw calls change the child only */
}

/* ---- starts that fail ---- */

static void assert_fails(rs_spawn_spec *s, int err, rs_spawn_step step)
{
    rs_spawn_step at;
    int got = fails(s, &at);
    if (got != err || at != step)
        print_message("%s: %s in step %d\n", s->argv[0], rs_err_name(got), (int)at);
    assert_int_equal(got, err);
    assert_int_equal(at, step);
}

static void test_failures(void **state)
{
    file_in_dir("plain", "#!/bin/sh\n", 0644);
    file_in_dir("garbage", "no program\n", 0755);
    file_in_dir("empty", "", 0755);
    file_in_dir("bad interpreter", "#!/no/such/interpreter\n", 0755);
    assert_int_equal(symlink("loop", path_in_dir("loop")), 0);
    static const struct {
        const char *name;
        int err;
        rs_spawn_step step;
    } in_dir[] = {
        {"missing", -ENOENT, RS_SPAWN_EXEC},  {"plain", -EACCES, RS_SPAWN_EXEC},
        {"plain/x", -ENOTDIR, RS_SPAWN_EXEC}, {"", -EACCES, RS_SPAWN_EXEC},
        {"garbage", -ENOEXEC, RS_SPAWN_EXEC}, {"empty", -ENOEXEC, RS_SPAWN_EXEC},
        {"loop", -ELOOP, RS_SPAWN_EXEC},      {"bad interpreter", -ENOENT, RS_SPAWN_INTERPRETER},
    };
    for (size_t i = 0; i < COUNT(in_dir); i++) {
        const char *argv[] = {path_in_dir(in_dir[i].name), NULL};
        rs_spawn_spec s = spec_of(argv);
        assert_fails(&s, in_dir[i].err, in_dir[i].step);
    }
    static const struct {
        const char *name, *cwd;
        int err;
        rs_spawn_step step;
    } others[] = {
        {"no-such-program-anywhere", "/", -ENOENT, RS_SPAWN_EXEC},
        {"./no-such-program-anywhere", "/", -ENOENT, RS_SPAWN_EXEC},
        {"", "/", -ENOENT, RS_SPAWN_EXEC},
        {"true", "/no/such/folder", -ENOENT, RS_SPAWN_CWD},
        {"true", "/dev/null", -ENOTDIR, RS_SPAWN_CWD},
        {"true", "", -ENOENT, RS_SPAWN_CWD},
    };
    for (size_t i = 0; i < COUNT(others); i++) {
        const char *argv[] = {others[i].name, NULL};
        rs_spawn_spec s = spec_of(argv);
        s.cwd = others[i].cwd;
        assert_fails(&s, others[i].err, others[i].step);
    }
    assert_no_children();
}

static void test_other_failures(void **state)
{
    static char big[140000]; /* more than one argument may have */
    const char *too_big[] = {"true", big, NULL};
    memset(big, 'x', sizeof big - 1);
    rs_spawn_spec s = spec_of(too_big);
    assert_fails(&s, -E2BIG, RS_SPAWN_EXEC);
    s = spec_of((const char *const[]){"true", NULL});
    s.fds[2] = 999;
    assert_fails(&s, -EBADF, RS_SPAWN_FDS);
    s = spec_of((const char *const[]){"true", NULL});
    s.terminal = true; /* /dev/null is none */
    assert_fails(&s, -ENOTTY, RS_SPAWN_TERMINAL);
    s = spec_of((const char *const[]){"true", NULL});
    s.group = getsid(0) == getpid() ? 1 : getsid(0) - 1; /* no group of our session */
    assert_fails(&s, -EPERM, RS_SPAWN_GROUP);
    assert_no_children();
}

static void test_failures_as_another_user(void **state)
{
    if (geteuid() != 0)
        skip();
    const gid_t group = 65534;
    rs_spawn_ids ids = {.uid = 65534, .gid = 65534, .groups = &group, .ngroups = 1};
    rs_spawn_spec s = spec_of((const char *const[]){"true", NULL});
    s.ids = &ids;
    s.cwd = dir; /* mode 0700: entered as the other user */
    assert_fails(&s, -EACCES, RS_SPAWN_CWD);
    const char *argv[] = {path_in_dir("bin/tool"), NULL};
    s = spec_of(argv);
    s.ids = &ids;
    assert_fails(&s, -EACCES, RS_SPAWN_EXEC);
    assert_no_children();
}

static void test_search(void **state)
{
    char first[PATH_MAX + 20], path[3 * PATH_MAX];
    assert_int_equal(mkdir(path_in_dir("bin"), 0700), 0);
    file_in_dir("bin/tool", "#!/bin/sh\necho bin\n", 0700);
    file_in_dir("bin/here", "#!/bin/sh\necho bin\n", 0700);
    file_in_dir("tool", "#!/bin/sh\necho no program\n", 0600);
    file_in_dir("here", "#!/bin/sh\necho cwd\n", 0700);
    snprintf(first, sizeof first, "%s/bin", dir);
    const struct {
        const char *path[4], *name, *other, *prints;
    } cases[] = {
        {{dir, first, NULL}, "tool", NULL, "bin\n"},         /* what can't be executed is passed by */
        {{"/dev/null", first, NULL}, "tool", NULL, "bin\n"}, /* so is what is no folder */
        {{dir, first, NULL}, "here", NULL, "cwd\n"},         /* the first one counts */
        {{first, dir, NULL}, "here", NULL, "bin\n"},
        {{"", first, NULL}, "here", NULL, "cwd\n"}, /* an empty part is the working directory */
        {{".", first, NULL}, "here", NULL, "cwd\n"},
        {{"bin", NULL}, "here", NULL, "bin\n"},        /* relative to it */
        {{dir, first, NULL}, "./here", NULL, "cwd\n"}, /* a slash: no search */
        {{dir, first, NULL}, "bin/here", NULL, "bin\n"},
        {{first, NULL}, "no-tool", "tool", "bin\n"}, /* the other name where there is none of the first */
        {{first, dir, NULL}, "here", "tool", "bin\n"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *argv[] = {cases[i].name, NULL}, *env[] = {path, NULL};
        rs_spawn_spec s = spec_of(argv);
        size_t n = (size_t)snprintf(path, sizeof path, "PATH=");
        for (int k = 0; cases[i].path[k]; k++)
            n += (size_t)snprintf(path + n, sizeof path - n, "%s%s", k ? ":" : "", cases[i].path[k]);
        s.env = env;
        s.other = cases[i].other;
        s.cwd = dir;
        assert_prints(&s, cases[i].prints);
    }
    /* Found and forbidden says more than not found. */
    const char *argv[] = {"tool", NULL}, *env[] = {path, NULL};
    rs_spawn_spec s = spec_of(argv);
    rs_spawn_step step;
    snprintf(path, sizeof path, "PATH=%s:/nowhere", dir);
    s.env = env;
    assert_int_equal(fails(&s, &step), -EACCES);
    /* A script of PATH whose interpreter is missing. */
    file_in_dir("broken", "#!/no/such/interpreter\n", 0700);
    argv[0] = "broken";
    assert_int_equal(fails(&s, &step), -ENOENT);
    assert_int_equal(step, RS_SPAWN_INTERPRETER);
    /* Without PATH there is a default. */
    const char *none[] = {"A=1", NULL};
    s = spec_of((const char *const[]){"echo", "found", NULL});
    s.env = none;
    assert_prints(&s, "found\n");
}

/* ---- terminals ---- */

static void test_terminal(void **state)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0 || grantpt(master) || unlockpt(master))
        skip();
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC), status;
    char expected[200], got[400] = "";
    rs_spawned child;
    rs_spawn_spec s = spec_of(
        (const char *const[]){"sh", "-c",
                              "tty; read -r pid name state parent group session terminal fore rest </proc/$$/stat;"
                              "echo $((pid == group)) $((pid == session)) $((fore == group)); exec sleep 1000",
                              NULL});
    snprintf(expected, sizeof expected, "%s\r\n1 1 1\r\n", ptsname(master));
    s.fds[0] = s.fds[1] = s.fds[2] = slave;
    s.terminal = true;
    assert_int_equal(rs_spawn(&s, &child), 0);
    close(slave);
    while (strlen(got) < strlen(expected)) {
        ssize_t n = read(master, got + strlen(got), sizeof got - 1 - strlen(got));
        assert_true(n > 0);
    }
    assert_string_equal(got, expected);
    assert_int_equal(write(master, "\3", 1), 1); /* Ctrl-C */
    assert_int_equal(waitpid(child.pid, &status, 0), child.pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
    close(master);
    close(child.pidfd);
}

/* In a terminal of its own: gives it to a program, and says whether that had it. */
static int child_foreground(int argc, char **argv)
{
    const char *const args[] = {"sh", "-c",
                                "read -r pid name state parent group session terminal fore rest </proc/$$/stat;"
                                "exit $((fore == group ? 42 : 1))",
                                NULL};
    rs_spawn_spec s = spec_of(args);
    rs_spawned child;
    int status;
    s.fds[0] = s.fds[1] = s.fds[2] = 0;
    s.foreground = 0;
    if (rs_spawn(&s, &child) || waitpid(child.pid, &status, 0) < 0)
        return 1;
    /* We are a background group now: taking the terminal back needs SIGTTOU blocked. */
    signal(SIGTTOU, SIG_IGN);
    tcsetpgrp(0, getpgrp());
    printf("%d\n", WEXITSTATUS(status));
    return 0;
}

static void test_foreground(void **state)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0 || grantpt(master) || unlockpt(master))
        skip();
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC), status;
    char got[20] = "";
    rs_spawned child;
    rs_spawn_spec s = spec_of((const char *const[]){self, "--foreground", NULL});
    s.fds[0] = s.fds[1] = s.fds[2] = slave;
    s.terminal = true;
    assert_int_equal(rs_spawn(&s, &child), 0);
    assert_true(read(master, got, sizeof got - 1) > 0);
    assert_string_equal(got, "42\r\n");
    close(slave);
    assert_int_equal(waitpid(child.pid, &status, 0), child.pid);
    assert_int_equal(status, 0);
    close(master);
    close(child.pidfd);
}

/* ---- the death signal ---- */

/* Starts a program, tells its number, and waits to be killed. */
static int child_parent(int argc, char **argv)
{
    rs_spawn_spec s = spec_of((const char *const[]){"sleep", "1000", NULL});
    rs_spawned child;
    s.fds[0] = s.fds[1] = s.fds[2] = open("/dev/null", O_RDWR);
    s.keep = strcmp(argv[2], "keep") == 0;
    if (rs_spawn(&s, &child))
        return 1;
    printf("%d\n", (int)child.pid);
    fflush(stdout);
    pause();
    return 0;
}

static char state_of(pid_t pid)
{
    char path[40], line[200] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return 0;
    size_t n = fread(line, 1, sizeof line - 1, f);
    fclose(f);
    line[n] = '\0';
    char *end = strrchr(line, ')');
    return end ? end[2] : 0;
}

static bool runs(pid_t pid)
{
    char c = state_of(pid);
    return c && c != 'Z' && c != 'X';
}

static pid_t kill_parent(const char *mode)
{
    int p[2];
    char line[20] = "";
    rs_spawned child;
    rs_spawn_spec s = spec_of((const char *const[]){self, "--parent", mode, NULL});
    assert_int_equal(pipe2(p, O_CLOEXEC), 0);
    s.fds[0] = s.fds[2] = open("/dev/null", O_RDWR | O_CLOEXEC);
    s.fds[1] = p[1];
    assert_int_equal(rs_spawn(&s, &child), 0);
    close(p[1]);
    close(s.fds[0]);
    assert_true(read(p[0], line, sizeof line - 1) > 0);
    close(p[0]);
    pid_t pid = (pid_t)strtol(line, NULL, 10);
    assert_true(pid > 0 && runs(pid));
    kill(child.pid, SIGKILL);
    assert_int_equal(waitpid(child.pid, NULL, 0), child.pid);
    close(child.pidfd);
    return pid;
}

static void test_dies_with_its_parent(void **state)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* what it leaves becomes ours: nothing is left by this test */
    pid_t pid = kill_parent("");
    for (int i = 0; i < 3000 && runs(pid); i++)
        poll(NULL, 0, 10);
    assert_false(runs(pid));
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

    pid = kill_parent("keep");
    poll(NULL, 0, 200);
    assert_true(runs(pid));
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    prctl(PR_SET_CHILD_SUBREAPER, 0);
}

/* ---- groups; every test in both ways of learning that a process ended ---- */

static int with_pidfd(void **state)
{
    rs_pgroup_use_pidfd(true);
    return rs_loop_new(&loop);
}

static int without_pidfd(void **state)
{
    rs_pgroup_use_pidfd(false);
    return rs_loop_new(&loop);
}

static int group_tear_down(void **state)
{
    rs_pgroups_forget();
    rs_pgroup_use_pidfd(true);
    int n = waitpid(-1, NULL, WNOHANG);
    return rs_loop_free(loop) && n == -1 && errno == ECHILD ? 0 : -1;
}

static int ended; /* how often all_ended was called */

static void all_ended(void *user)
{
    ended++;
    assert_ptr_equal(user, &ended);
}

static rs_pgroup *group_new(int max)
{
    ended = 0;
    rs_pgroup *g = rs_pgroup_new(loop, max, all_ended, &ended);
    assert_non_null(g);
    return g;
}

static pid_t add(rs_pgroup *g, const char *script)
{
    const char *const argv[] = {"sh", "-c", script, NULL};
    rs_spawn_spec s = spec_of(argv);
    rs_spawned child;
    s.fds[0] = s.fds[1] = s.fds[2] = open("/dev/null", O_RDWR | O_CLOEXEC);
    assert_int_equal(rs_pgroup_spawn(g, &s, &child), 0);
    close(s.fds[0]);
    return child.pid;
}

static void wait_until_ended(void)
{
    while (!ended && rs_loop_poll(loop, true))
        ;
    assert_int_equal(ended, 1);
}

static void assert_exit(const rs_pgroup *g, int i, int code, int sig)
{
    rs_exit e = rs_pgroup_exit(g, i);
    assert_true(e.ended);
    assert_int_equal(e.code, code);
    assert_int_equal(e.signal, sig);
}

static void test_group(void **state)
{
    rs_pgroup *g = group_new(3);
    assert_int_equal(rs_pgroup_id(g), 0);
    assert_int_equal(rs_pgroup_signal(g, 0), -ESRCH);
    rs_pgroup_end(g);
    pid_t a = add(g, "exit 7"), b = add(g, "kill -9 $$"), c = add(g, "read x");
    assert_int_equal(rs_pgroup_id(g), a);
    assert_int_equal(getpgid(b), a);
    assert_int_equal(getpgid(c), a);
    assert_int_equal(rs_pgroup_count(g), 3);
    assert_int_equal(rs_pgroup_pid(g, 1), b);
    rs_spawned child;
    rs_spawn_spec s = spec_of((const char *const[]){"true", NULL});
    assert_int_equal(rs_pgroup_spawn(g, &s, &child), -E2BIG);
    wait_until_ended();
    assert_true(rs_pgroup_all_ended(g));
    assert_exit(g, 0, 7, 0);
    assert_exit(g, 1, -1, SIGKILL);
    assert_exit(g, 2, 1, 0);
    /* Nothing is reaped before the release, so the numbers belong to us. */
    assert_int_equal(state_of(a), 'Z');
    assert_int_equal(state_of(b), 'Z');
    assert_int_equal(rs_pgroup_signal(g, SIGKILL), 0);
    rs_pgroup_release(g);
    assert_int_equal(state_of(a), 0);
    assert_int_equal(state_of(b), 0);
    assert_int_equal(state_of(c), 0);
    assert_int_equal(ended, 1);
    assert_false(rs_loop_poll(loop, true));
}

/* A member joins also when those before it have ended, since they are not reaped. */
static void test_join_after_the_end(void **state)
{
    rs_pgroup *g = group_new(2);
    pid_t a = add(g, "exit 0");
    while (state_of(a) != 'Z')
        poll(NULL, 0, 1);
    pid_t b = add(g, "exit 3"); /* before the loop has looked */
    assert_int_equal(getpgid(b), a);
    wait_until_ended();
    assert_exit(g, 1, 3, 0);
    rs_pgroup_release(g);
}

static void test_failed_start(void **state)
{
    rs_pgroup *g = group_new(2);
    rs_spawned child;
    rs_spawn_spec s = spec_of((const char *const[]){"/no/such/program", NULL});
    s.fds[0] = s.fds[1] = s.fds[2] = 0;
    assert_int_equal(rs_pgroup_spawn(g, &s, &child), -ENOENT);
    assert_int_equal(rs_pgroup_count(g), 0);
    pid_t a = add(g, "exit 5");
    assert_int_equal(getpgid(a), a);
    assert_int_equal(rs_pgroup_spawn(g, &s, &child), -ENOENT);
    wait_until_ended();
    assert_exit(g, 0, 5, 0);
    rs_pgroup_release(g);
    rs_pgroup_release(NULL);
}

static pid_t read_pid(const char *name)
{
    char line[40] = "";
    for (int i = 0; i < 3000 && !strchr(line, '\n'); i++) {
        FILE *f = fopen(path_in_dir(name), "re");
        if (f) {
            line[fread(line, 1, sizeof line - 1, f)] = '\0';
            fclose(f);
        }
        if (!strchr(line, '\n'))
            poll(NULL, 0, 10);
    }
    unlink(path_in_dir(name));
    return (pid_t)strtol(line, NULL, 10);
}

/* A script that has $TELL, which writes its shell's number into a file: elsewhere first, so that it is whole. */
static pid_t add_telling(rs_pgroup *g, const char *script)
{
    char with[1100];
    snprintf(with, sizeof with, "export DIR='%s' TELL='echo $$ >$DIR/pid.new; mv $DIR/pid.new $DIR/pid'; %s", dir,
             script);
    return add(g, with);
}

static void test_end(void **state)
{
    static const struct {
        const char *script;
        int signal;
    } cases[] = {
        {"eval \"$TELL\"; sleep 1000", SIGTERM},
        {"trap '' TERM; eval \"$TELL\"; while :; do sleep 1000; done", SIGKILL}, /* it has half a second */
        {"eval \"$TELL\"; kill -STOP $$; sleep 1000", SIGTERM},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        rs_pgroup *g = group_new(1);
        uint64_t begin = rs_loop_now();
        pid_t a = add_telling(g, cases[i].script);
        assert_int_equal(read_pid("pid"), a);
        rs_pgroup_end(g);
        rs_pgroup_end(g);
        wait_until_ended();
        assert_exit(g, 0, -1, cases[i].signal);
        assert_true(rs_loop_now() - begin < 30e9);
        if (cases[i].signal == SIGKILL)
            assert_true(rs_loop_now() - begin > 0.4e9); /* it had its time */
        rs_pgroup_release(g);
    }
}

/* What the program put into the background goes too when it is ended, and stays when it ended by itself. */
static void test_background(void **state)
{
    static const char starts[] = "sh -c 'eval \"$TELL\"; exec sleep 1000' & ";
    char ends[200], stays[200];
    snprintf(ends, sizeof ends, "%s exit 0", starts);
    snprintf(stays, sizeof stays, "%s exec sleep 1000", starts);
    prctl(PR_SET_CHILD_SUBREAPER, 1);

    rs_pgroup *g = group_new(1);
    add_telling(g, ends);
    wait_until_ended();
    pid_t left = read_pid("pid");
    rs_pgroup_release(g);
    assert_true(runs(left));
    kill(left, SIGKILL);
    assert_int_equal(waitpid(left, NULL, 0), left);

    g = group_new(1);
    add_telling(g, stays);
    left = read_pid("pid");
    rs_pgroup_end(g);
    wait_until_ended();
    rs_pgroup_release(g);
    assert_int_equal(waitpid(left, NULL, 0), left);

    g = group_new(1);
    add_telling(g, ends);
    wait_until_ended();
    left = read_pid("pid");
    rs_pgroup_end(g); /* its leader has ended, but the group is ours still */
    assert_int_equal(waitpid(left, NULL, 0), left);
    rs_pgroup_release(g);
    while (waitpid(-1, NULL, 0) > 0) {
        /* what a shell had just run for TELL, and could not reap before it was killed */
    }
    prctl(PR_SET_CHILD_SUBREAPER, 0);
}

static void ignore(rs_timer *t)
{
}

/* Released while it runs: it goes on, is reaped when it ends, and nobody is told. */
static void test_release_while_it_runs(void **state)
{
    rs_timer alive = {0}; /* the end of what nobody waits for is news only while the loop has something to do */
    rs_pgroup *g = group_new(1);
    pid_t a = add_telling(g, "eval \"$TELL\"; exec sleep 1000");
    assert_int_equal(read_pid("pid"), a);
    rs_pgroup_release(g);
    assert_int_equal(rs_timer_start(loop, &alive, 1000, ignore), 0);
    assert_true(runs(a));
    assert_int_equal(kill(-a, SIGKILL), 0);
    for (int i = 0; i < 3000 && state_of(a); i++) {
        rs_loop_poll(loop, false);
        poll(NULL, 0, 10);
    }
    assert_int_equal(state_of(a), 0);
    assert_int_equal(ended, 0);
    rs_timer_stop(loop, &alive);
}

/* The timer that would send KILL goes with the group. */
static void test_release_while_it_is_ended(void **state)
{
    rs_pgroup *g = group_new(1);
    pid_t a = add_telling(g, "trap 'exit 9' TERM; eval \"$TELL\"; while :; do sleep 0.01; done");
    assert_int_equal(read_pid("pid"), a);
    rs_pgroup_end(g);
    wait_until_ended();
    assert_exit(g, 0, 9, 0);
    rs_pgroup_release(g);
    assert_false(rs_loop_poll(loop, true));
}

static void test_many_at_once(void **state)
{
    enum { N = 50 };
    rs_pgroup *g = group_new(N);
    for (int i = 0; i < N; i++) {
        char script[20];
        snprintf(script, sizeof script, "exit %d", i);
        add(g, script);
    }
    wait_until_ended();
    for (int i = 0; i < N; i++)
        assert_exit(g, i, i, 0);
    rs_pgroup_release(g);
}

/* ---- */

static int clean_up(void **state)
{
    char command[PATH_MAX + 20];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command); /* NOLINT(cert-env33-c) */
}

static int prepare(void **state)
{
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    return n > 0 && mkdtemp(dir) ? 0 : -1;
}

#define GROUP_TEST(fn)                                                                                                 \
    {#fn, fn, with_pidfd, group_tear_down, NULL},                                                                      \
    {                                                                                                                  \
#fn " by SIGCHLD", fn, without_pidfd, group_tear_down, NULL                                                    \
    }

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } modes[] = {
        {"--argv", child_argv}, {"--fds", child_fds}, {"--foreground", child_foreground}, {"--parent", child_parent}};
    for (size_t i = 0; argc > 1 && i < COUNT(modes); i++)
        if (strcmp(argv[1], modes[i].name) == 0)
            return modes[i].run(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_argv_is_exact),
        cmocka_unit_test(test_env_is_exact),
        cmocka_unit_test(test_cwd),
        cmocka_unit_test(test_umask),
        cmocka_unit_test(test_no_fd_leaks),
        cmocka_unit_test(test_fds_in_any_order),
        cmocka_unit_test(test_signals_are_reset),
        cmocka_unit_test(test_sigpipe_ends_the_program),
        cmocka_unit_test(test_own_group),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_other_failures),
        cmocka_unit_test(test_failures_as_another_user),
        cmocka_unit_test(test_search),
        cmocka_unit_test(test_terminal),
        cmocka_unit_test(test_foreground),
        cmocka_unit_test(test_dies_with_its_parent),
        GROUP_TEST(test_group),
        GROUP_TEST(test_join_after_the_end),
        GROUP_TEST(test_failed_start),
        GROUP_TEST(test_end),
        GROUP_TEST(test_background),
        GROUP_TEST(test_release_while_it_runs),
        GROUP_TEST(test_release_while_it_is_ended),
        GROUP_TEST(test_many_at_once),
    };
    return cmocka_run_group_tests_name("spawn", tests, prepare, clean_up);
}
