#include "loop/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <uv.h>

#include "loop/pool.h"
#include "loop/timer.h"

#define RS_LOG_MODULE "loop"
#include "base/log.h"

struct rs_loop {
    uv_loop_t uv;
    struct rs_timers *timers;
    struct rs_pool *pool; /* NULL until there is work for it */
    rs_later *later;
};

int rs_loop_new(rs_loop **out)
{
    rs_loop *l = calloc(1, sizeof *l);
    if (!l)
        return -ENOMEM;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    int err = uv_loop_init(&l->uv);
    if (err) {
        free(l);
        return err;
    }
    l->timers = rs_timers_new(l);
    if (!l->timers) {
        uv_loop_close(&l->uv);
        free(l);
        return -ENOMEM;
    }
    *out = l;
    return 0;
}

static void complain(uv_handle_t *h, void *arg)
{
    (void)arg;
    if (!uv_is_closing(h))
        rs_error("a %s handle was left open", uv_handle_type_name(h->type));
}

bool rs_loop_free(rs_loop *l)
{
    if (!l)
        return true;
    rs_timers_free(l->timers);
    /* What is over is told; NOWAIT hangs neither on a handle that was forgotten nor on a job in a stuck system call. */
    uv_run(&l->uv, UV_RUN_NOWAIT);
    bool idle = rs_pool_free(l->pool);
    if (idle)
        uv_walk(&l->uv, complain, NULL);
    for (int i = 0; i < 3; i++) /* closing handles need a turn */
        uv_run(&l->uv, UV_RUN_NOWAIT);
    bool clean = idle && uv_loop_close(&l->uv) == 0;
    if (clean)
        free(l);
    return clean;
}

struct uv_loop_s *rs_loop_uv(rs_loop *l)
{
    return &l->uv;
}

struct rs_timers *rs_loop_timers(rs_loop *l)
{
    return l->timers;
}

struct rs_pool **rs_loop_pool(rs_loop *l)
{
    return &l->pool;
}

void rs_loop_later(rs_loop *l, rs_later *w)
{
    if (w->at)
        return;
    w->next = l->later;
    w->at = &l->later;
    if (w->next)
        w->next->at = &w->next;
    l->later = w;
}

void rs_loop_not_later(rs_later *w)
{
    if (!w->at)
        return;
    *w->at = w->next;
    if (w->next)
        w->next->at = w->at;
    w->at = NULL;
}

/* What is planned meanwhile is for the next time. */
void rs_loop_do_later(rs_loop *l)
{
    rs_later *now = l->later;
    l->later = NULL;
    if (now)
        now->at = &now;
    while (now) {
        rs_later *w = now;
        rs_loop_not_later(w);
        w->run(w);
    }
}

bool rs_loop_poll(rs_loop *l, bool block)
{
    bool done_some = l->later;
    rs_loop_do_later(l);
    return uv_run(&l->uv, block && !done_some ? UV_RUN_ONCE : UV_RUN_NOWAIT) != 0;
}

uint64_t rs_loop_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}
