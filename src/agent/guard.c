#include "agent/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "agent/own.h"
#include "loop/proc.h"
#include "sys/fs_remove.h"
#include "sys/trace.h"

enum { GROUPS = 4096, PATHS = 256, PATH_SIZE = 1024 };

/* In pages that are only there once they are written. */
typedef struct table {
    pid_t groups[GROUPS];
    char paths[PATHS][PATH_SIZE]; /* absolute; "" is free */
} table;

static table *shared;
static int life = -1; /* the guard's other end is at its end when we are gone */
static pid_t guard_pid;
static rs_loop *watcher;                                 /* NULL until there is one */
static uv_poll_t *watch;                                 /* freed by its close callback */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* paths are made by workers */

/* ---- what the agent writes ---- */

static void told_group(pid_t group, bool alive)
{
    pid_t from = alive ? 0 : group, to = alive ? group : 0;
    for (int i = 0; i < GROUPS; i++) {
        if (shared->groups[i] != from)
            continue;
        shared->groups[i] = to;
        return;
    }
}

static bool is_free(const char *path)
{
    struct stat st;
    return !*path || (lstat(path, &st) && errno == ENOENT);
}

static void add_path(const char *path)
{
    for (int i = 0; i < PATHS; i++) {
        if (!is_free(shared->paths[i]))
            continue;
        memcpy(shared->paths[i], path, strlen(path) + 1);
        return;
    }
}

static void del_path(const char *path)
{
    for (int i = 0; i < PATHS; i++)
        if (!strcmp(shared->paths[i], path))
            shared->paths[i][0] = '\0';
}

static void told_path(const char *path, bool made)
{
    if (path[0] != '/' || strlen(path) >= PATH_SIZE)
        return;
    pthread_mutex_lock(&lock);
    if (made)
        add_path(path);
    else
        del_path(path);
    pthread_mutex_unlock(&lock);
}

/* ---- the end ---- */

/* What has ended and has no other parent than us may go. */
static bool any_lives(void)
{
    bool any = false;
    for (int i = 0; i < GROUPS; i++) {
        if (shared->groups[i])
            waitpid(-shared->groups[i], NULL, WNOHANG);
        any |= shared->groups[i] && kill(-shared->groups[i], 0) == 0;
    }
    return any;
}

static void signal_all(int sig)
{
    for (int i = 0; i < GROUPS; i++)
        if (shared->groups[i])
            kill(-shared->groups[i], sig);
}

static void nap(void)
{
    struct timespec t = {.tv_nsec = 10 * 1000 * 1000};
    nanosleep(&t, NULL);
}

static void end_groups(void)
{
    if (!any_lives())
        return;
    signal_all(SIGTERM);
    signal_all(SIGCONT); /* one that is stopped couldn't end */
    for (int i = 0; i < 50 && any_lives(); i++)
        nap();
    signal_all(SIGKILL);
}

static void remove_paths(void)
{
    rs_fs_fail fail;
    struct stat st;
    for (int i = 0; i < PATHS; i++) {
        const char *path = shared->paths[i];
        if (!*path || lstat(path, &st) || st.st_uid != geteuid())
            continue;
        if (S_ISDIR(st.st_mode))
            rs_fs_remove(path, true, &fail);
        else if (S_ISSOCK(st.st_mode) || S_ISREG(st.st_mode))
            unlink(path);
    }
}

static void sweep(void)
{
    end_groups();
    remove_paths();
    memset(shared->groups, 0, sizeof shared->groups);
    for (int i = 0; i < PATHS; i++)
        shared->paths[i][0] = '\0';
}

/* ---- the guard ---- */

/* Nothing of the agent's stays open here, so that its link ends when it does. */
static void close_all_but(int kept)
{
    for (int fd = 0; fd < 1024; fd++)
        if (fd != kept)
            close(fd);
#ifdef SYS_close_range
    (void)syscall(SYS_close_range, 1024U, ~0U, 0U);
#endif
}

__attribute__((noreturn)) static void guard(int end)
{
    char c;
    setsid();
    for (int sig = 1; sig < 32; sig++)
        signal(sig, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    rs_own_title("rshell-guard");
    close_all_but(end);
    while (read(end, &c, 1) < 0 && errno == EINTR) {
    }
    sweep();
    _exit(0);
}

/* Also where there are threads: it calls nothing that needs another one. */
static void launch(void)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC))
        return;
    guard_pid = fork();
    if (guard_pid == 0)
        guard(ends[0]);
    close(ends[0]);
    if (guard_pid > 0)
        life = ends[1];
    else
        close(ends[1]);
}

void rs_guard_start(void)
{
    void *mem = mmap(NULL, sizeof(table), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (mem == MAP_FAILED)
        return;
    shared = mem;
    rs_pgroup_tell(told_group);
    rs_trace_tell(told_path);
    launch();
}

/* ---- one that is killed ---- */

static void freed(uv_handle_t *h)
{
    free(h);
}

static void stop_watching(void)
{
    if (watch)
        uv_close((uv_handle_t *)watch, freed);
    watch = NULL;
}

/* One that nobody waited for would be left as a zombie where no init takes it. */
static void forget_guard(void)
{
    stop_watching();
    if (life < 0)
        return;
    close(life);
    life = -1;
    waitpid(guard_pid, NULL, 0);
}

static void watch_guard(void);

/* Nobody has the other end any more. */
static void on_end(uv_poll_t *h, int status, int events)
{
    (void)h, (void)status, (void)events;
    forget_guard();
    launch();
    watch_guard();
}

static void watch_guard(void)
{
    if (life < 0)
        return;
    watch = calloc(1, sizeof *watch);
    if (!watch || uv_poll_init(rs_loop_uv(watcher), watch, life)) {
        free(watch);
        watch = NULL;
        return;
    }
    uv_unref((uv_handle_t *)watch);
    uv_poll_start(watch, UV_DISCONNECT, on_end);
}

void rs_guard_watch(rs_loop *l)
{
    watcher = l;
    watch_guard();
}

/* ---- our own end ---- */

void rs_guard_end(void)
{
    if (!shared)
        return;
    sweep();
    forget_guard();
}
