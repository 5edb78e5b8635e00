#include "sys/tty.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <uv.h>

struct rs_tty {
    uv_signal_t chld;
    pid_t group;
    struct termios settings;
};

/* A background group that changes the terminal gets SIGTTOU, which would stop us. */
static void set_foreground(pid_t group)
{
    sigset_t ttou, old;
    sigemptyset(&ttou);
    sigaddset(&ttou, SIGTTOU);
    sigprocmask(SIG_BLOCK, &ttou, &old);
    tcsetpgrp(0, group);
    sigprocmask(SIG_SETMASK, &old, NULL);
}

static void stop_with(rs_tty *t)
{
    set_foreground(getpgrp());
    kill(0, SIGTSTP); /* returns when the user's shell lets us go on */
    if (tcgetpgrp(0) == getpgrp())
        set_foreground(t->group);
    kill(-t->group, SIGCONT);
}

static void on_chld(uv_signal_t *h, int sig)
{
    (void)sig;
    rs_tty *t = h->data;
    siginfo_t si = {0};
    if (waitid(P_PGID, (id_t)t->group, &si, WSTOPPED | WNOHANG) == 0 && si.si_pid != 0)
        stop_with(t);
}

rs_tty *rs_tty_lend(rs_loop *l, pid_t group)
{
    if (!isatty(0) || (tcgetpgrp(0) != getpgrp() && tcgetpgrp(0) != group))
        return NULL;
    rs_tty *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->group = group;
    tcgetattr(0, &t->settings);
    if (uv_signal_init(rs_loop_uv(l), &t->chld)) {
        free(t);
        return NULL;
    }
    t->chld.data = t;
    uv_signal_start(&t->chld, on_chld, SIGCHLD);
    set_foreground(group);
    return t;
}

static void freed(uv_handle_t *h)
{
    free(h->data);
}

void rs_tty_give_back(rs_tty *t)
{
    if (!t)
        return;
    set_foreground(getpgrp());
    sigset_t ttou, old;
    sigemptyset(&ttou);
    sigaddset(&ttou, SIGTTOU);
    sigprocmask(SIG_BLOCK, &ttou, &old);
    tcsetattr(0, TCSADRAIN, &t->settings);
    sigprocmask(SIG_SETMASK, &old, NULL);
    uv_close((uv_handle_t *)&t->chld, freed);
}
