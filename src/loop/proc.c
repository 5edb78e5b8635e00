#include "loop/proc.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "loop/timer.h"

#define RS_LOG_MODULE "proc"
#include "base/log.h"

static const double GRACE = 0.5; /* seconds from TERM to KILL */

/* One process that was started and not reaped. It outlives its group when that is released first. */
typedef struct member {
    struct member *next, **at; /* in `members` */
    rs_pgroup *group;          /* NULL: reaped as soon as it ends */
    pid_t pid;
    int pidfd;
    bool told;       /* as the leader of a group */
    uv_poll_t *poll; /* of the pidfd; freed by its close callback */
    rs_exit exit;
} member;

struct rs_pgroup {
    rs_loop *loop;
    void (*all_ended)(void *user);
    void *user;
    rs_timer kill_timer;
    bool ending;   /* TERM was sent */
    bool detached; /* every member leads a group of its own */
    int max, n, running;
    member *members[];
};

/* All that is not reaped: the SIGCHLD handler has no other way to find whose child ended. */
static member *members;
static uv_signal_t *chld; /* only where a process has no pidfd */
static bool use_pidfd = true;
static void (*teller)(pid_t group, bool alive);

void rs_pgroup_tell(void (*told)(pid_t group, bool alive))
{
    teller = told;
}

void rs_pgroup_use_pidfd(bool on)
{
    use_pidfd = on;
}

static void free_handle(uv_handle_t *h)
{
    free(h);
}

static void close_pidfd(member *m)
{
    if (m->poll) {
        uv_poll_stop(m->poll);
        uv_close((uv_handle_t *)m->poll, free_handle);
        m->poll = NULL;
    }
    if (m->pidfd >= 0)
        close(m->pidfd);
    m->pidfd = -1;
}

static void reap(member *m)
{
    siginfo_t si;
    if (m->told)
        teller(m->pid, false);
    waitid(P_PID, (id_t)m->pid, &si, WEXITED | WNOHANG);
    close_pidfd(m);
    *m->at = m->next;
    if (m->next)
        m->next->at = m->at;
    free(m);
    if (!members && chld) {
        uv_close((uv_handle_t *)chld, free_handle);
        chld = NULL;
    }
}

/* As the kernel writes it, which some C libraries know under another shape. */
typedef struct usage {
    struct {
        long seconds, us;
    } user, system;
    long kilobytes;
    long others[13];
} usage;

static void note_end(member *m, const siginfo_t *si, const usage *u)
{
    m->exit.ended = true;
    m->exit.code = si->si_code == CLD_EXITED ? si->si_status : -1;
    m->exit.signal = si->si_code == CLD_EXITED ? 0 : si->si_status;
    m->exit.user = (double)u->user.seconds + (double)u->user.us / 1e6;
    m->exit.system = (double)u->system.seconds + (double)u->system.us / 1e6;
    m->exit.memory = (double)u->kilobytes * 1024;
    close_pidfd(m);
}

/* Looks whether m has ended, without reaping it. */
static void look(member *m)
{
    siginfo_t si = {0};
    usage u = {0};
    const int how = WEXITED | WNOWAIT | WNOHANG;
    if (m->exit.ended || syscall(SYS_waitid, P_PID, (long)m->pid, &si, how, &u) != 0 || si.si_pid == 0)
        return;
    note_end(m, &si, &u);
    rs_pgroup *g = m->group;
    if (!g) {
        reap(m);
        return;
    }
    if (--g->running > 0)
        return;
    if (g->ending)
        rs_pgroup_signal(g, SIGKILL);
    g->all_ended(g->user);
}

static void on_pidfd(uv_poll_t *h, int status, int events)
{
    (void)status, (void)events;
    look(h->data);
}

static void on_chld(uv_signal_t *h, int sig)
{
    (void)h, (void)sig;
    for (member *m = members, *next; m; m = next) {
        next = m->next;
        if (m->pidfd < 0)
            look(m);
    }
}

static int watch_chld(rs_loop *l)
{
    if (chld)
        return 0;
    chld = calloc(1, sizeof *chld);
    if (!chld)
        return -ENOMEM;
    int err = uv_signal_init(rs_loop_uv(l), chld);
    if (err) {
        free(chld);
        chld = NULL;
        return err;
    }
    return uv_signal_start(chld, on_chld, SIGCHLD);
}

static int watch_pidfd(rs_loop *l, member *m)
{
    m->poll = calloc(1, sizeof *m->poll);
    if (!m->poll)
        return -ENOMEM;
    int err = uv_poll_init(rs_loop_uv(l), m->poll, m->pidfd);
    if (err) {
        free(m->poll);
        m->poll = NULL;
        return err;
    }
    m->poll->data = m;
    return uv_poll_start(m->poll, UV_READABLE, on_pidfd);
}

static int watch(rs_loop *l, member *m)
{
    if (!use_pidfd && m->pidfd >= 0) {
        close(m->pidfd);
        m->pidfd = -1;
    }
    return m->pidfd >= 0 ? watch_pidfd(l, m) : watch_chld(l);
}

rs_pgroup *rs_pgroup_new(rs_loop *l, int max, void (*all_ended)(void *user), void *user)
{
    rs_pgroup *g = calloc(1, sizeof *g + (size_t)max * sizeof g->members[0]);
    if (!g)
        return NULL;
    g->loop = l;
    g->max = max;
    g->all_ended = all_ended;
    g->user = user;
    return g;
}

static void member_add(rs_pgroup *g, member *m, const rs_spawned *s)
{
    m->pid = s->pid;
    m->pidfd = s->pidfd;
    m->group = g;
    m->next = members;
    m->at = &members;
    if (members)
        members->at = &m->next;
    members = m;
    g->members[g->n++] = m;
    g->running++;
}

int rs_pgroup_spawn(rs_pgroup *g, rs_spawn_spec *spec, rs_spawned *out)
{
    *out = (rs_spawned){.pid = -1, .pidfd = -1};
    if (g->n == g->max)
        return -E2BIG;
    if (!use_pidfd && watch_chld(g->loop)) /* before the start: its end may not be missed */
        return -ENOMEM;
    member *m = calloc(1, sizeof *m);
    if (!m)
        return -ENOMEM;
    if (spec->keep || spec->terminal)
        g->detached = true;
    spec->group = g->n ? g->members[0]->pid : 0;
    int err = rs_spawn(spec, out);
    if (err) {
        free(m);
        return err;
    }
    member_add(g, m, out);
    m->told = teller && !spec->keep && (spec->group == 0 || g->detached);
    if (m->told)
        teller(m->pid, true);
    err = watch(g->loop, m);
    if (err) { /* it runs, but we could never learn of its end */
        kill(m->pid, SIGKILL);
        m->group = NULL;
        g->n--;
        g->running--;
        waitpid(m->pid, NULL, 0);
        reap(m);
    }
    return err;
}

int rs_pgroup_count(const rs_pgroup *g)
{
    return g->n;
}

pid_t rs_pgroup_pid(const rs_pgroup *g, int i)
{
    return g->members[i]->pid;
}

pid_t rs_pgroup_id(const rs_pgroup *g)
{
    return g->n ? g->members[0]->pid : 0;
}

rs_exit rs_pgroup_exit(const rs_pgroup *g, int i)
{
    return g->members[i]->exit;
}

bool rs_pgroup_all_ended(const rs_pgroup *g)
{
    return g->running == 0;
}

int rs_pgroup_signal(rs_pgroup *g, int sig)
{
    int err = g->n ? 0 : -ESRCH;
    for (int i = 0; i < (g->detached ? g->n : g->n > 0); i++)
        if (kill(-g->members[i]->pid, sig))
            err = -errno;
    return err;
}

static void kill_now(rs_timer *t)
{
    rs_pgroup *g = (rs_pgroup *)((char *)t - offsetof(rs_pgroup, kill_timer));
    rs_pgroup_signal(g, SIGKILL);
}

void rs_pgroup_end(rs_pgroup *g)
{
    if (g->ending || !g->n)
        return;
    g->ending = true;
    rs_pgroup_signal(g, g->running ? SIGTERM : SIGKILL);
    rs_pgroup_signal(g, SIGCONT); /* one that is stopped couldn't end */
    if (g->running && rs_timer_start(g->loop, &g->kill_timer, GRACE, kill_now))
        kill_now(&g->kill_timer);
}

void rs_pgroup_release(rs_pgroup *g)
{
    if (!g)
        return;
    rs_timer_stop(g->loop, &g->kill_timer);
    for (int i = 0; i < g->n; i++) {
        member *m = g->members[i];
        m->group = NULL;
        if (m->exit.ended)
            reap(m);
        else if (m->poll)
            uv_unref((uv_handle_t *)m->poll); /* nobody waits for it any more */
    }
    free(g);
}

void rs_pgroups_forget(void)
{
    for (member *m = members, *next; m; m = next) {
        next = m->next;
        if (m->group)
            rs_error("the process %d was never released", (int)m->pid);
        reap(m);
    }
}
