#include "loop/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fds.h"

enum { STACK = 64 * 1024 };

/* What the child reads and writes. It shares our memory and we sleep until it has called execve or is gone (as vfork, but on a
 * stack of its own), so an error needs no pipe: it is written here. Nothing it runs may take a lock, allocate, or change
 * memory that we use. Only a child that has FIFOs to open gets a copy of our memory (as fork): it may wait for long. */
typedef struct child {
    const rs_spawn_spec *spec;
    char **programs; /* full paths to try, ends with NULL */
    pid_t parent;
    int err;
    rs_spawn_step step;
} child;

/* ---- in the child ---- */

static int fail(child *c, rs_spawn_step step, int err)
{
    c->step = step;
    c->err = -err;
    return -1;
}

/* The raw calls: those of libc would change every thread of the parent. */
static int become(child *c, const rs_spawn_ids *ids)
{
    if (syscall(SYS_setgroups, (size_t)ids->ngroups, ids->groups) && errno != EPERM)
        return fail(c, RS_SPAWN_USER, errno);
    if (syscall(SYS_setresgid, ids->gid, ids->gid, ids->gid) || syscall(SYS_setresuid, ids->uid, ids->uid, ids->uid))
        return fail(c, RS_SPAWN_USER, errno);
    return 0;
}

static int set_group(child *c)
{
    const rs_spawn_spec *s = c->spec;
    if (s->terminal || s->keep) {
        if (setsid() < 0)
            return fail(c, RS_SPAWN_GROUP, errno);
    } else if (setpgid(0, s->group)) {
        return fail(c, RS_SPAWN_GROUP, errno);
    }
    if (s->foreground >= 0)
        tcsetpgrp(s->foreground, getpgrp()); /* SIGTTOU is blocked here; the parent does it too */
    return 0;
}

/* Only a signal whose handler is the default may be let through: a handler of ours would run on our memory. */
static void reset_signals(void)
{
    struct sigaction dfl = {.sa_handler = SIG_DFL};
    for (int sig = 1; sig < NSIG; sig++)
        sigaction(sig, &dfl, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Sources below 3 move up first, so that none is overwritten before it is used. */
static int set_fds(child *c)
{
    int from[3];
    for (int i = 0; i < 3; i++) {
        from[i] = c->spec->fds[i];
        if (from[i] < 3 && from[i] != i)
            from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 10);
        if (from[i] < 0)
            return fail(c, RS_SPAWN_FDS, errno);
    }
    for (int i = 0; i < 3; i++) {
        if (from[i] == i ? fcntl(i, F_SETFD, 0) : dup2(from[i], i) < 0)
            return fail(c, RS_SPAWN_FDS, errno);
    }
    if (c->spec->terminal && ioctl(0, TIOCSCTTY, 0))
        return fail(c, RS_SPAWN_TERMINAL, errno);
#ifdef SYS_close_range
    syscall(SYS_close_range, 3u, ~0u, 0u); /* where the kernel lacks it, CLOEXEC serves for all that is ours */
#endif
    return 0;
}

/* When we die, so does it. That may have happened before the request was made. */
static int die_with_parent(child *c)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != c->parent)
        return fail(c, RS_SPAWN_FORK, ECANCELED);
    return 0;
}

static int exec_first(child *c)
{
    int err = ENOENT;
    bool searched = !strchr(c->spec->argv[0], '/');
    for (char **p = c->programs; *p; p++) {
        execve(*p, (char *const *)c->spec->argv, (char *const *)c->spec->env);
        if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
            return fail(c, RS_SPAWN_EXEC, errno);
        if (errno == EACCES || !searched)
            err = errno;
    }
    return fail(c, RS_SPAWN_EXEC, err);
}

static int set_late_fds(child *c)
{
    const rs_spawn_spec *s = c->spec;
    for (int i = 0; i < 3; i++) {
        if (!s->late[i])
            continue;
        int fd = open(s->late[i], s->late_flags[i]);
        if (fd < 0 || dup2(fd, i) < 0)
            return fail(c, RS_SPAWN_FDS, errno);
        if (fd > 2)
            close(fd);
    }
    if (s->late_err_is_out && dup2(1, 2) < 0)
        return fail(c, RS_SPAWN_FDS, errno);
    return 0;
}

static int child_main(void *arg) __attribute__((no_sanitize("address", "undefined")));
static int child_main(void *arg)
{
    child *c = arg;
    const rs_spawn_spec *s = c->spec;
    if (set_group(c) || set_fds(c))
        _exit(127);
    if (s->umask >= 0)
        umask((mode_t)s->umask);
    if (s->ids && become(c, s->ids))
        _exit(127);
    if (!s->keep && die_with_parent(c))
        _exit(127);
    if (s->cwd && chdir(s->cwd)) {
        fail(c, RS_SPAWN_CWD, errno);
        _exit(127);
    }
    reset_signals();
    if (set_late_fds(c))
        _exit(127);
    rs_fds_lower();
    exec_first(c);
    _exit(127);
}

/* ---- in the parent ---- */

static const char *path_of(const char *const *env)
{
    for (; *env; env++)
        if (strncmp(*env, "PATH=", 5) == 0)
            return *env + 5;
    return "/usr/local/bin:/usr/bin:/bin";
}

/* Adds each place where name may be; with a slash it is a path already. Returns the new count, or -1 without memory. */
static int add_programs(char **list, int n, const char *name, const char *path)
{
    if (!*name)
        return n;
    if (strchr(name, '/')) {
        list[n] = strdup(name);
        return list[n] ? n + 1 : -1;
    }
    for (;;) {
        size_t dir = strcspn(path, ":");
        size_t size = dir + strlen(name) + 3;
        char *p = malloc(size);
        if (!p)
            return -1;
        /* An empty part is the working directory. */
        memcpy(p, dir ? path : ".", dir ? dir : 1);
        p[dir ? dir : 1] = '/';
        memcpy(p + (dir ? dir : 1) + 1, name, strlen(name) + 1);
        list[n++] = p;
        if (!path[dir])
            return n;
        path += dir + 1;
    }
}

static int count_parts(const char *path)
{
    int n = 1;
    for (; *path; path++)
        n += *path == ':';
    return n;
}

static void programs_free(char **list)
{
    if (!list)
        return;
    for (char **p = list; *p; p++)
        free(*p);
    free(list);
}

static char **programs_new(const rs_spawn_spec *spec)
{
    const char *path = path_of(spec->env);
    char **list = calloc((size_t)count_parts(path) * 2 + 1, sizeof *list);
    if (!list)
        return NULL;
    int n = add_programs(list, 0, spec->argv[0], path);
    if (n >= 0 && spec->other)
        n = add_programs(list, n, spec->other, path);
    if (n < 0) {
        programs_free(list);
        return NULL;
    }
    return list;
}

static bool has_late(const rs_spawn_spec *s)
{
    return s->late[0] || s->late[1] || s->late[2];
}

static pid_t clone_child(child *c, char *stack, int *pidfd)
{
    int flags = has_late(c->spec) ? SIGCHLD : CLONE_VM | CLONE_VFORK | SIGCHLD;
    pid_t pid = -1;
#ifdef CLONE_PIDFD
    pid = clone(child_main, stack + STACK, flags | CLONE_PIDFD, c, pidfd);
    if (pid >= 0 || errno != EINVAL)
        return pid;
#endif
    *pidfd = -1;
    return clone(child_main, stack + STACK, flags, c);
}

/* ENOENT of a file that is there comes from its #! line. Relative ones can't be looked at from here. */
static rs_spawn_step refine(const child *c)
{
    if (c->step != RS_SPAWN_EXEC || c->err != -ENOENT)
        return c->step;
    for (char **p = c->programs; *p; p++)
        if (**p == '/' && access(*p, F_OK) == 0)
            return RS_SPAWN_INTERPRETER;
    return c->step;
}

/* Whoever can't tell us how execve went is looked at before: 0, or as exec_first would say it. */
static int find_program(child *c)
{
    int err = ENOENT;
    for (char **p = c->programs; *p; p++) {
        if (**p != '/' || faccessat(AT_FDCWD, *p, X_OK, AT_EACCESS) == 0)
            return 0;
        if (errno == EACCES)
            err = errno;
    }
    return fail(c, RS_SPAWN_EXEC, err);
}

/* Where two processes set the group, whoever comes first does it. */
static void join_group(const rs_spawn_spec *s, pid_t pid)
{
    if (!s->terminal && !s->keep)
        setpgid(pid, s->group);
}

int rs_spawn(const rs_spawn_spec *spec, rs_spawned *out)
{
    child c = {.spec = spec, .parent = getpid(), .programs = programs_new(spec)};
    sigset_t all, old;
    int err = 0;
    *out = (rs_spawned){.pid = -1, .pidfd = -1};
    if (!c.programs)
        return -ENOMEM;
    if (has_late(spec) && find_program(&c)) {
        out->step = refine(&c);
        programs_free(c.programs);
        return c.err;
    }
    char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED) {
        programs_free(c.programs);
        return -ENOMEM;
    }
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &old);
    out->pid = clone_child(&c, stack, &out->pidfd);
    if (out->pid < 0)
        err = -errno;
    else if (has_late(spec))
        join_group(spec, out->pid);
    sigprocmask(SIG_SETMASK, &old, NULL);
    munmap(stack, STACK);
    if (!err && c.err) {
        waitpid(out->pid, NULL, 0);
        if (out->pidfd >= 0)
            close(out->pidfd);
        out->pid = out->pidfd = -1;
        err = c.err;
        out->step = refine(&c);
    }
    programs_free(c.programs);
    return err;
}
