#include "rpc/link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "rpc/link_state.h"

enum { MISSES = 3, CONTEXTS = UINT16_MAX + 1 };

/* ---- the end ---- */

static void stop_waiting(rs_link *k)
{
    rs_wait_abandon(&k->in_wait);
    rs_wait_abandon(&k->out_wait);
    k->reading = k->writing = false;
    rs_timer_stop(k->loop, &k->tick);
    rs_loop_not_later(&k->later);
}

void rs_link_tell_users(rs_link *k, bool broken)
{
    for (int i = 0; i < RS_LINK_BUCKETS; i++) {
        for (rs_link_user *u = k->users[i]; u; u = k->told_next) {
            k->told_next = u->next;
            if (broken)
                u->broken(u);
            else
                u->room(u);
        }
    }
}

void rs_link_break(rs_link *k, const char *why)
{
    if (k->broken)
        return;
    k->broken = true;
    snprintf(k->why, sizeof k->why, "%s", why);
    stop_waiting(k);
    for (int i = 0; i < RS_LINK_LANES; i++)
        rs_buf_fini(&k->lanes[i]);
    k->piped = 0;
    rs_link_tell_users(k, true);
}

void rs_link_break_with(rs_link *k, int err)
{
    rs_link_break(k, err == RS_EEOF ? "the other side has ended" : rs_err_text(err));
}

const char *rs_link_why(const rs_link *k)
{
    return k->why;
}

/* ---- users ---- */

rs_link_user *rs_link_user_of(const rs_link *k, uint16_t context)
{
    for (rs_link_user *u = k->users[context % RS_LINK_BUCKETS]; u; u = u->next)
        if (u->context == context)
            return u;
    return NULL;
}

bool rs_link_has(const rs_link *k, uint16_t context)
{
    return rs_link_user_of(k, context);
}

static uint8_t bit_of(uint16_t context)
{
    return (uint8_t)(1U << context % 8);
}

bool rs_link_is_retired(const rs_link *k, uint16_t context)
{
    return k->retired && k->retired[context / 8] & bit_of(context);
}

/* ---- liveness ---- */

static void on_tick(rs_timer *t)
{
    rs_link *k = (rs_link *)((char *)t - offsetof(rs_link, tick));
    k->misses = k->heard || k->paused || !k->in ? 0 : k->misses + 1;
    k->heard = false;
    if (k->misses > MISSES) {
        char text[64];
        snprintf(text, sizeof text, "no heartbeat for %g s", MISSES * k->keepalive);
        rs_link_break(k, text);
        return;
    }
    if (k->misses)
        (void)rs_link_send(k, RS_LANE_URGENT, RS_FRAME_PING, 0, 0, NULL, 0);
    if (!k->broken)
        (void)rs_timer_start(k->loop, &k->tick, k->keepalive, on_tick);
}

/* ---- life ---- */

rs_link *rs_link_new(rs_loop *l, rs_stream *in, rs_stream *out)
{
    rs_link *k = calloc(1, sizeof *k);
    if (!k) {
        rs_stream_free(in);
        if (out != in)
            rs_stream_free(out);
        return NULL;
    }
    k->loop = l;
    k->in = in;
    k->out = out;
    k->in_wait.done = k->out_wait.done = true;
    k->later.run = rs_link_flush_later;
    for (int i = 0; i < RS_LINK_LANES; i++)
        rs_buf_init(&k->lanes[i], 0);
    return k;
}

void rs_link_join(rs_link *k, rs_stream *in, rs_stream *out)
{
    if (out) {
        k->out = out;
        rs_link_flush(k);
    }
    if (in) {
        k->in = in;
        k->heard = true;
        if (k->nusers > 0)
            rs_link_read_on(k);
    }
}

void rs_link_keepalive(rs_link *k, double seconds)
{
    k->keepalive = seconds;
    rs_timer_stop(k->loop, &k->tick);
    if (seconds > 0 && !k->broken)
        (void)rs_timer_start(k->loop, &k->tick, seconds, on_tick);
}

double rs_link_heartbeat(const rs_link *k)
{
    return k->keepalive;
}

void rs_link_free(rs_link *k)
{
    if (!k)
        return;
    rs_link_flush(k);
    rs_link_break(k, "closed");
    for (int i = 0; i < RS_LINK_BUCKETS; i++)
        while (k->users[i])
            rs_link_del(k->users[i]);
    rs_stream_free(k->in);
    if (k->out != k->in)
        rs_stream_free(k->out);
    rs_stream_free(k->store[0]);
    rs_stream_free(k->store[1]);
    free(k->retired);
    free(k);
}

void rs_link_add(rs_link *k, rs_link_user *u, uint16_t context)
{
    rs_link_user **bucket = &k->users[context % RS_LINK_BUCKETS];
    u->link = k;
    u->context = context;
    u->next = *bucket;
    *bucket = u;
    if (k->retired)
        k->retired[context / 8] &= (uint8_t)~bit_of(context);
    if (k->nusers++ == 0)
        rs_link_read_on(k);
}

void rs_link_del(rs_link_user *u)
{
    rs_link *k = u->link;
    if (!k)
        return;
    u->link = NULL;
    k->nusers--;
    if (k->told_next == u)
        k->told_next = u->next;
    for (rs_link_user **p = &k->users[u->context % RS_LINK_BUCKETS]; *p; p = &(*p)->next) {
        if (*p != u)
            continue;
        *p = u->next;
        return;
    }
}

void rs_link_retire(rs_link *k, uint16_t context)
{
    rs_link_user *u = rs_link_user_of(k, context);
    if (u)
        rs_link_del(u);
    if (!k->retired)
        k->retired = calloc(CONTEXTS / 8, 1);
    if (k->retired)
        k->retired[context / 8] |= bit_of(context);
    else
        rs_link_break(k, rs_err_text(-ENOMEM));
}

void rs_link_set_router(rs_link *k, rs_link_user *u)
{
    k->router = u;
}
