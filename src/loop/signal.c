#include "loop/signal.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include "base/err.h"

static const int handled[] = {SIGINT, SIGTERM, SIGHUP};
enum { HANDLED = sizeof handled / sizeof handled[0] };
enum { STUCK = 3 }; /* so many interrupts that nobody has noticed */

static volatile sig_atomic_t seen;
static struct sigaction before[HANDLED];
static uv_async_t *async;
static void (*at_once)(void);
static void (*later)(int sig, void *user);
static void *later_user;

/* Who waits for an INT; the flags are what the handler may look at. */
static rs_wait *waiter;
static volatile sig_atomic_t awaited, told;

/* Where an INT goes that is no reason to end; came counts those that on_loop has not been told of. */
static void (*diverted)(void);
static void (*diverted_later)(void *user);
static void *diverted_user;
static volatile sig_atomic_t came;

static void stop_waiting(void)
{
    awaited = 0;
    told = 0;
    waiter = NULL;
}

/* One after another, and the loop doesn't turn: the code that runs is no Lua. */
static void divert(void)
{
    static const char stuck[] = "\nrshell: this call can't be interrupted; Ctrl-\\ ends rshell\n";
    came = came < STUCK ? came + 1 : 1;
    if (came == STUCK && write(STDERR_FILENO, stuck, sizeof stuck - 1) < 0)
        return;
    diverted();
    if (async)
        uv_async_send(async);
}

static void handler(int sig)
{
    int saved = errno;
    if (sig == SIGINT && awaited && !told) {
        told = 1;
        if (async)
            uv_async_send(async);
    } else if (sig == SIGINT && diverted) {
        divert();
    } else if (seen) { /* it was asked and did not end */
        signal(sig, SIG_DFL);
        raise(sig); /* delivered when this handler returns */
    } else {
        seen = sig;
        at_once();
        if (async)
            uv_async_send(async);
    }
    errno = saved;
}

static void on_async(uv_async_t *h)
{
    (void)h;
    if (told) {
        rs_wait *w = waiter;
        stop_waiting();
        if (w)
            rs_wait_done(w, 0);
    }
    if (came) {
        came = 0;
        diverted_later(diverted_user);
    }
    if (seen)
        later(seen, later_user);
}

int rs_signal_init(rs_loop *l, void (*in_handler)(void), void (*on_loop)(int sig, void *user), void *user)
{
    at_once = in_handler;
    later = on_loop;
    later_user = user;
    async = calloc(1, sizeof *async);
    if (!async)
        return -ENOMEM;
    int err = uv_async_init(rs_loop_uv(l), async, on_async);
    if (err) {
        free(async);
        async = NULL;
        return err;
    }
    uv_unref((uv_handle_t *)async); /* a signal that may come keeps nothing alive */
    struct sigaction sa = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigemptyset(&sa.sa_mask);
    for (int i = 0; i < HANDLED; i++) {
        sigaction(handled[i], NULL, &before[i]);
        if (before[i].sa_handler != SIG_IGN)
            sigaction(handled[i], &sa, NULL);
    }
    return 0;
}

static void free_async(uv_handle_t *h)
{
    free(h);
}

void rs_signal_fini(void)
{
    if (!async)
        return;
    for (int i = 0; i < HANDLED; i++)
        sigaction(handled[i], &before[i], NULL);
    uv_close((uv_handle_t *)async, free_async);
    async = NULL;
}

int rs_signal_seen(void)
{
    return seen;
}

void rs_signal_divert_int(void (*in_handler)(void), void (*on_loop)(void *user), void *user)
{
    diverted_later = on_loop;
    diverted_user = user;
    diverted = in_handler;
    if (!async)
        return;
    if (in_handler) /* every wait can be ended from now on */
        uv_ref((uv_handle_t *)async);
    else
        uv_unref((uv_handle_t *)async);
}

bool rs_signal_diverted(void)
{
    return came;
}

static void abandon(rs_wait *w)
{
    (void)w;
    stop_waiting();
}

int rs_signal_await(rs_wait *w)
{
    if (waiter)
        return RS_EUSAGE;
    rs_wait_init(w, abandon, NULL);
    waiter = w;
    awaited = 1;
    return 0;
}

void rs_signal_die(int sig)
{
    signal(sig, SIG_DFL);
    raise(sig);
    _exit(128 + sig);
}
