#include "loop/timer.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <uv.h>

struct rs_timers {
    rs_loop *loop;
    rs_timer **heap;
    size_t len, cap;
    uv_timer_t *uv; /* freed by its close callback */
};

static void timers_fire(uv_timer_t *uv);

/* Puts t at index i and tells it so. */
static void place(struct rs_timers *ts, rs_timer *t, size_t i)
{
    ts->heap[i] = t;
    t->slot = i + 1;
}

static void sift_up(struct rs_timers *ts, rs_timer *t, size_t i)
{
    while (i > 0 && ts->heap[(i - 1) / 2]->at > t->at) {
        place(ts, ts->heap[(i - 1) / 2], i);
        i = (i - 1) / 2;
    }
    place(ts, t, i);
}

static void sift_down(struct rs_timers *ts, rs_timer *t, size_t i)
{
    for (;;) {
        size_t kid = 2 * i + 1;
        if (kid >= ts->len)
            break;
        if (kid + 1 < ts->len && ts->heap[kid + 1]->at < ts->heap[kid]->at)
            kid++;
        if (ts->heap[kid]->at >= t->at)
            break;
        place(ts, ts->heap[kid], i);
        i = kid;
    }
    place(ts, t, i);
}

/* Sets libuv's timer to the earliest of ours; it rounds up, so that nothing fires early. */
static void arm(struct rs_timers *ts)
{
    if (ts->len == 0) {
        uv_timer_stop(ts->uv);
        return;
    }
    uint64_t now = rs_loop_now(), at = ts->heap[0]->at;
    uint64_t ms = at <= now ? 0 : (at - now + 999999) / 1000000;
    uv_update_time(rs_loop_uv(ts->loop));
    uv_timer_start(ts->uv, timers_fire, ms, 0);
}

static void heap_remove(struct rs_timers *ts, rs_timer *t)
{
    size_t i = t->slot - 1;
    rs_timer *last = ts->heap[--ts->len];
    t->slot = 0;
    if (last == t)
        return;
    if (i > 0 && ts->heap[(i - 1) / 2]->at > last->at)
        sift_up(ts, last, i);
    else
        sift_down(ts, last, i);
}

static void timers_fire(uv_timer_t *uv)
{
    struct rs_timers *ts = uv->data;
    uint64_t now = rs_loop_now();
    while (ts->len > 0 && ts->heap[0]->at <= now) {
        rs_timer *t = ts->heap[0];
        heap_remove(ts, t);
        t->fire(t);
    }
    arm(ts);
    /* libuv runs timers first and then sleeps for events, also when it is asked for one round only. What has fired may have
     * made a task ready: that round must not sleep. */
    uv_stop(rs_loop_uv(ts->loop));
}

static uint64_t after(double seconds)
{
    uint64_t now = rs_loop_now();
    if (!(seconds > 0))
        return now;
    double ns = seconds * 1e9;
    return ns >= 9e18 ? UINT64_MAX : now + (uint64_t)llround(ns);
}

int rs_timer_start(rs_loop *l, rs_timer *t, double seconds, void (*fire)(rs_timer *t))
{
    struct rs_timers *ts = rs_loop_timers(l);
    rs_timer_stop(l, t);
    if (ts->len == ts->cap) {
        size_t cap = ts->cap ? ts->cap * 2 : 16;
        rs_timer **heap = realloc(ts->heap, cap * sizeof *heap);
        if (!heap)
            return -ENOMEM;
        ts->heap = heap;
        ts->cap = cap;
    }
    t->at = after(seconds);
    t->fire = fire;
    sift_up(ts, t, ts->len++);
    if (ts->heap[0] == t)
        arm(ts);
    return 0;
}

void rs_timer_stop(rs_loop *l, rs_timer *t)
{
    if (!t->slot)
        return;
    struct rs_timers *ts = rs_loop_timers(l);
    bool first = t->slot == 1;
    heap_remove(ts, t);
    if (first)
        arm(ts);
}

bool rs_timer_running(const rs_timer *t)
{
    return t->slot != 0;
}

struct rs_timers *rs_timers_new(rs_loop *l)
{
    struct rs_timers *ts = calloc(1, sizeof *ts);
    uv_timer_t *uv = calloc(1, sizeof *uv);
    if (!ts || !uv) {
        free(ts);
        free(uv);
        return NULL;
    }
    ts->loop = l;
    ts->uv = uv;
    uv->data = ts;
    uv_timer_init(rs_loop_uv(l), uv);
    return ts;
}

static void timer_freed(uv_handle_t *h)
{
    free(h);
}

void rs_timers_free(struct rs_timers *ts)
{
    if (!ts)
        return;
    uv_close((uv_handle_t *)ts->uv, timer_freed);
    free(ts->heap);
    free(ts);
}
