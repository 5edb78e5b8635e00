/* Runs one test suite and leaves nothing of it behind.
 *
 *     confine SECONDS COMMAND [ARG ...]
 *
 * Whatever the command starts stays below us in the process tree: we are a subreaper, so a daemon that detached from
 * everything becomes our child. What still runs 2 s after the command has ended is told on stderr ("left: PID NAME") and
 * killed, level by level, as its children become ours.
 *
 * Exit status: the command's (128 + signal), 124 when its time was up, 125 when it left processes. */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TIMED_OUT = 124, LEFTOVERS = 125, GRACE = 2 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The parent of a process, and its name (of at least 32 bytes); -1 when it is gone. */
static pid_t parent_of(const char *pid, char *name)
{
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return -1;
    line[fread(line, 1, sizeof line - 1, f)] = '\0';
    fclose(f);
    /* PID (NAME) STATE PPID ..., where NAME may hold anything. */
    char *open = strchr(line, '('), *close = strrchr(line, ')');
    if (!open || !close || strlen(close) < 5)
        return -1;
    snprintf(name, 32, "%.*s", (int)(close - open - 1), open + 1);
    return (pid_t)strtol(close + 4, NULL, 10);
}

static void kill_children(bool tell)
{
    DIR *d = opendir("/proc");
    struct dirent *e;
    while (d && (e = readdir(d))) {
        char name[32];
        if (*e->d_name < '0' || *e->d_name > '9' || parent_of(e->d_name, name) != getpid())
            continue;
        if (tell)
            fprintf(stderr, "left: %s %s\n", e->d_name, name);
        kill((pid_t)strtol(e->d_name, NULL, 10), SIGKILL);
    }
    if (d)
        closedir(d);
}

static void sweep(bool tell);

/* Blocked from the start: a signal that comes before the wait for it ends that wait too. */
static const int signals[] = {SIGCHLD, SIGINT, SIGTERM};

static sigset_t signal_set(void)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaddset(&set, signals[i]);
    return set;
}

/* Reaps until the time comes. True when pid (0: all that we have) is gone; *status is set for pid only. */
static bool reap(pid_t pid, double until, int *status)
{
    sigset_t set = signal_set();
    for (;;) {
        int s;
        pid_t got = waitpid(-1, &s, WNOHANG);
        if (got < 0)
            return true;
        if (got > 0 && got == pid) {
            *status = s;
            return true;
        }
        if (got > 0)
            continue;
        if (now() >= until)
            return false;
        int sig = sigtimedwait(&set, NULL, &(struct timespec){.tv_nsec = 100000000});
        if (sig == SIGINT || sig == SIGTERM) {
            sweep(false);
            exit(128 + sig);
        }
    }
}

static void sweep(bool tell)
{
    for (int i = 0; i < 100; i++) {
        kill_children(tell);
        if (reap(0, now() + 0.1, NULL))
            return;
    }
}

static pid_t start(char **argv)
{
    sigset_t set = signal_set();
    sigprocmask(SIG_BLOCK, &set, NULL);
    pid_t pid = fork();
    if (pid)
        return pid;
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    setsid(); /* no terminal: a test that asks a person fails */
    execvp(argv[0], argv);
    fprintf(stderr, "confine: %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fputs("usage: confine SECONDS COMMAND [ARG ...]\n", stderr);
        return 2;
    }
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    pid_t pid = start(argv + 2);
    if (pid < 0) {
        perror("confine: fork");
        return 126;
    }

    int status = 0;
    if (!reap(pid, now() + strtod(argv[1], NULL), &status)) {
        sweep(false);
        return TIMED_OUT;
    }
    if (!reap(0, now() + GRACE, NULL)) {
        sweep(true);
        return LEFTOVERS;
    }
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
