#include "sys/host_getent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"

enum { PATIENCE = 10 * 1000, PAUSE = 30 * 1000 }; /* ms */

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* The rest of nsswitch.conf's line for a database, or NULL. */
static const char *sources_of(const char *text, const char *database)
{
    size_t n = strlen(database);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += strspn(line, " \t\n");
        if (strncmp(line, database, n) == 0 && line[n + strspn(line + n, " \t")] == ':')
            return line + n + strspn(line + n, " \t") + 1;
    }
    return NULL;
}

bool rs_host_nsswitch_asks(const char *text, const char *database)
{
    const char *s = sources_of(text, database);
    if (!s)
        return strcmp(database, "initgroups") == 0 && rs_host_nsswitch_asks(text, "group");
    for (;;) {
        s += strspn(s, " \t");
        size_t n = strcspn(s, " \t\n#[");
        if (n == 0 && *s != '[')
            return false;
        if (*s == '[')
            s += strcspn(s, "]\n") + (s[strcspn(s, "]\n")] == ']');
        else if (!(n == 5 && memcmp(s, "files", n) == 0) && !(n == 6 && memcmp(s, "compat", n) == 0))
            return true;
        else
            s += n;
    }
}

bool rs_host_getent_useful(const char *database)
{
    char text[16 * 1024];
    int fd = open("/etc/nsswitch.conf", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    return rs_host_nsswitch_asks(text, database);
}

/* Its own process group, so that a script in getent's place (musl has one) can be ended with what it started. */
static int set_up(posix_spawnattr_t *attr, posix_spawn_file_actions_t *files, int out)
{
    sigset_t set;
    posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setpgroup(attr, 0);
    sigemptyset(&set);
    posix_spawnattr_setsigmask(attr, &set);
    sigaddset(&set, SIGPIPE);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    posix_spawnattr_setsigdefault(attr, &set);
    int err = posix_spawn_file_actions_addopen(files, 0, "/dev/null", O_RDONLY, 0);
    if (!err)
        err = posix_spawn_file_actions_adddup2(files, out, 1);
    if (!err)
        err = posix_spawn_file_actions_addopen(files, 2, "/dev/null", O_WRONLY, 0);
    return -err;
}

static int start(const char *database, const char *key, int out, pid_t *pid)
{
    char program[] = "getent", db[32], name[1024];
    char *argv[] = {program, db, key ? name : NULL, NULL};
    posix_spawnattr_t attr;
    posix_spawn_file_actions_t files;
    if (snprintf(db, sizeof db, "%s", database) >= (int)sizeof db ||
        snprintf(name, sizeof name, "%s", key ? key : "") >= (int)sizeof name)
        return RS_ENOTFOUND;
    posix_spawnattr_init(&attr);
    posix_spawn_file_actions_init(&files);
    int err = set_up(&attr, &files, out);
    if (!err)
        err = -posix_spawnp(pid, program, &files, &attr, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    return err == -ENOENT ? RS_ENOSYS : err;
}

/* Reads to the end of the pipe, or until the time is over. */
static int gather(int fd, uint64_t until, rs_buf *out)
{
    for (;;) {
        char chunk[4096];
        uint64_t now = now_ms();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int ready = now < until ? poll(&p, 1, (int)(until - now)) : 0;
        if (ready == 0)
            return RS_ETIMEOUT;
        ssize_t n = ready > 0 ? read(fd, chunk, sizeof chunk) : -1;
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n == 0)
            return 0;
        int err = n > 0 ? rs_buf_add(out, chunk, (size_t)n) : 0;
        if (err)
            return err;
    }
}

/* It has closed its stdout or is killed: so this ends soon, unless it sleeps in the kernel, which nobody can help. */
static int outcome(pid_t pid, int err)
{
    int status = 0;
    pid_t got;
    if (err)
        kill(-pid, SIGKILL);
    do
        got = waitpid(pid, &status, 0);
    while (got < 0 && errno == EINTR);
    if (err)
        return err;
    if (!WIFEXITED(status))
        return -EIO;
    return WEXITSTATUS(status) == 0 ? 0 : WEXITSTATUS(status) == 127 ? RS_ENOSYS : RS_ENOTFOUND;
}

static int ask(const char *database, const char *key, rs_buf *out)
{
    int fds[2];
    pid_t pid;
    if (pipe2(fds, O_CLOEXEC) != 0)
        return -errno;
    int err = start(database, key, fds[1], &pid);
    close(fds[1]);
    if (!err)
        err = outcome(pid, gather(fds[0], now_ms() + PATIENCE, out));
    close(fds[0]);
    return err;
}

int rs_host_getent(const char *database, const char *key, rs_buf *out)
{
    static _Atomic uint64_t not_before;
    if (key && (!*key || *key == '-'))
        return RS_ENOTFOUND;
    if (now_ms() < atomic_load(&not_before))
        return RS_ETIMEOUT;
    int err = ask(database, key, out);
    if (err == RS_ETIMEOUT)
        atomic_store(&not_before, now_ms() + PAUSE);
    return err;
}
