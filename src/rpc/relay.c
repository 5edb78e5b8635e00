#include "rpc/relay.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/err.h"
#include "loop/timer.h"
#include "wire/bytes.h"

enum {
    NUDGES = 40, /* until a process that answers no PING is killed */
    STOPS = 3,   /* heartbeats in which a process may be stopped */
};
static const double NUDGE = 0.05; /* seconds between two */

struct branch;

/* One context on its way: it has a user on either link. */
typedef struct route {
    rs_link_user up, down;
    struct branch *branch;
    struct route *next;
} route;

/* A process that we have started, and all that stands behind it. */
typedef struct branch {
    rs_relay *relay;
    uint16_t context;
    rs_link *link;
    route *routes;
    pid_t pid;
    rs_timer nudge, look;
    int nudges;     /* since it has last answered */
    int stops;      /* heartbeats since it has last been seen to run */
    uint32_t pings; /* the number of the last one: one follows each cancel */
    bool paused;    /* its link, since the one to the controller has no room */
    bool over;      /* nothing flows any more */
    bool told;      /* rs_relay_ended has */
    rs_later end;   /* of its link, which can't be freed in its own callback */
    char why[256];
    struct branch *next;
} branch;

struct rs_relay {
    rs_loop *loop;
    rs_link *up;
    rs_link_user router;
    uint16_t self;
    branch *branches;
    rs_wait *taker;
};

static route *route_of_up(rs_link_user *u)
{
    return (route *)((char *)u - offsetof(route, up));
}

static route *route_of_down(rs_link_user *u)
{
    return (route *)((char *)u - offsetof(route, down));
}

static void wake_taker(rs_relay *r, int status)
{
    rs_wait *w = r->taker;
    r->taker = NULL;
    if (w)
        rs_wait_done(w, status);
}

/* ---- a process that doesn't listen ---- */

static void begin_end(branch *b, const char *why)
{
    if (b->over)
        return;
    b->over = true;
    snprintf(b->why, sizeof b->why, "%s", why);
    rs_timer_stop(b->relay->loop, &b->nudge);
    rs_timer_stop(b->relay->loop, &b->look);
    rs_loop_later(b->relay->loop, &b->end);
}

/* It may be in a loop that never looks at its link: the signal makes it do so. */
static void nudge(rs_timer *t)
{
    branch *b = (branch *)((char *)t - offsetof(branch, nudge));
    if (b->nudges++ >= NUDGES) {
        kill(b->pid, SIGKILL);
        begin_end(b, "interrupted inside a library call, which did not end");
        return;
    }
    kill(b->pid, SIGURG);
    (void)rs_timer_start(b->relay->loop, &b->nudge, NUDGE, nudge);
}

/* A cancel has been queued, and has been read when the PING behind it is answered: the answer to an earlier one tells nothing of
 * it. Both are on their way before the first signal, so that it is not for nothing. */
static void begin_nudging(branch *b)
{
    if (b->pid <= 0)
        return;
    (void)rs_link_send(b->link, RS_LANE_URGENT, RS_FRAME_PING, b->context, ++b->pings, NULL, 0);
    if (rs_timer_running(&b->nudge))
        return;
    rs_link_flush(b->link);
    b->nudges = 0;
    if (!b->over)
        nudge(&b->nudge);
}

/* A process that runs code may be too busy to answer a PING, but only one that a signal has stopped is in this state. */
static bool is_stopped(pid_t pid)
{
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)pid, &info, WSTOPPED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid;
}

static void look_at(rs_timer *t)
{
    branch *b = (branch *)((char *)t - offsetof(branch, look));
    double heartbeat = rs_link_heartbeat(b->relay->up);
    b->stops = is_stopped(b->pid) ? b->stops + 1 : 0;
    if (b->stops > STOPS) {
        char why[64];
        snprintf(why, sizeof why, "stopped by a signal for %g s", STOPS * heartbeat);
        kill(b->pid, SIGKILL);
        begin_end(b, why);
    } else if (heartbeat > 0) {
        (void)rs_timer_start(b->relay->loop, t, heartbeat, look_at);
    }
}

static void on_pong(rs_link_user *u, uint32_t id)
{
    branch *b = route_of_down(u)->branch;
    b->nudges = 0;
    if (id == b->pings)
        rs_timer_stop(b->relay->loop, &b->nudge);
}

/* ---- down: from the controller ---- */

static void on_up_frame(rs_link_user *u, const rs_frame *f)
{
    branch *b = route_of_up(u)->branch;
    bool own = f->context == b->context;
    if (b->over)
        return;
    (void)rs_link_forward(b->link, f);
    if (own && f->type == RS_FRAME_BYE)
        begin_end(b, "closed");
    if (own && f->type == RS_FRAME_CANCEL)
        begin_nudging(b);
}

static void on_up_room(rs_link_user *u)
{
    branch *b = route_of_up(u)->branch;
    if (!b->paused || b->over)
        return;
    b->paused = false;
    rs_link_pause(b->link, false);
}

static void ignore_user(rs_link_user *u)
{
    (void)u;
}

/* ---- up: from a process ---- */

/* Takes it out of the list in which `at` points to it. */
static void end_route(route **at)
{
    route *w = *at;
    branch *b = w->branch;
    *at = w->next;
    rs_link_retire(b->relay->up, w->up.context);
    if (b->link)
        rs_link_retire(b->link, w->up.context);
    free(w);
}

static route **place_of(route *w)
{
    route **at = &w->branch->routes;
    while (*at != w)
        at = &(*at)->next;
    return at;
}

static void on_down_frame(rs_link_user *u, const rs_frame *f)
{
    route *w = route_of_down(u);
    branch *b = w->branch;
    bool bye = f->type == RS_FRAME_BYE;
    if (b->over || (bye && f->context == b->context))
        return; /* its link ends next, and we say how */
    (void)rs_link_forward(b->relay->up, f);
    if (bye)
        end_route(place_of(w));
    if (!b->paused && !rs_link_room(b->relay->up, rs_link_lane(f->type))) {
        b->paused = true;
        rs_link_pause(b->link, true);
    }
}

static void on_down_broken(rs_link_user *u)
{
    branch *b = route_of_down(u)->branch;
    begin_end(b, rs_link_why(b->link));
}

/* ---- routes and branches ---- */

static branch *branch_of(rs_relay *r, uint16_t context)
{
    for (branch *b = r->branches; b; b = b->next)
        if (b->context == context)
            return b;
    return NULL;
}

/* Behind which a context stands, at whatever depth. */
static branch *branch_before(rs_relay *r, uint16_t context)
{
    for (branch *b = r->branches; b; b = b->next)
        for (route *w = b->routes; w; w = w->next)
            if (w->up.context == context)
                return b;
    return NULL;
}

static bool add_route(branch *b, uint16_t context)
{
    route *w = calloc(1, sizeof *w);
    if (!w)
        return false;
    w->branch = b;
    w->up.frame = on_up_frame;
    w->up.room = on_up_room;
    w->up.broken = ignore_user;
    w->down.frame = on_down_frame;
    w->down.room = ignore_user;
    w->down.broken = on_down_broken;
    w->down.pong = on_pong;
    w->next = b->routes;
    b->routes = w;
    rs_link_add(b->relay->up, &w->up, context);
    rs_link_add(b->link, &w->down, context);
    return true;
}

static void free_branch(branch *b)
{
    rs_link_free(b->link); /* which tells us, and plans its end */
    b->link = NULL;
    while (b->routes)
        end_route(&b->routes);
    rs_timer_stop(b->relay->loop, &b->nudge);
    rs_timer_stop(b->relay->loop, &b->look);
    rs_loop_not_later(&b->end);
    free(b);
}

/* Its streams are closed, so that the process learns that it is over. */
static void end_link(rs_later *w)
{
    branch *b = (branch *)((char *)w - offsetof(branch, end));
    rs_link_free(b->link);
    b->link = NULL;
    wake_taker(b->relay, 0);
}

static branch *add_branch(rs_relay *r, uint16_t context)
{
    branch *b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    b->relay = r;
    b->context = context;
    b->end.run = end_link;
    b->link = rs_link_new(r->loop, NULL, NULL);
    if (!b->link || !add_route(b, context)) {
        free_branch(b);
        return NULL;
    }
    b->next = r->branches;
    r->branches = b;
    return b;
}

/* Its payload is a string, as values are written. */
static void send_bye(rs_relay *r, uint16_t context, const char *why)
{
    char payload[2 + UINT8_MAX];
    size_t n = strlen(why);
    if (n > UINT8_MAX)
        n = UINT8_MAX;
    size_t head = n < 32 ? 1 : 2;
    payload[0] = (char)(n < 32 ? 0xa0 | n : 0xd9);
    if (head == 2)
        payload[1] = (char)n;
    memcpy(payload + head, why, n);
    (void)rs_link_send(r->up, RS_LANE_MESSAGE, RS_FRAME_BYE, context, 0, payload, head + n);
}

/* ROUTE: context will be started by the one whose number is the id. */
static void on_route(rs_link_user *u, const rs_frame *f)
{
    rs_relay *r = (rs_relay *)((char *)u - offsetof(rs_relay, router));
    if (f->id > UINT16_MAX || f->context == r->self || rs_link_has(r->up, f->context)) {
        rs_link_break(r->up, "a ROUTE for a context that is there already");
        return;
    }
    branch *b = f->id == r->self ? add_branch(r, f->context) : branch_before(r, (uint16_t)f->id);
    if (!b) {
        rs_link_break(r->up, "a ROUTE by a context that isn't there");
    } else if (f->id != r->self) {
        if (!b->over)
            (void)rs_link_forward(b->link, f);
        if (b->over || !add_route(b, f->context)) {
            send_bye(r, f->context, "what was to start it is gone");
            rs_link_retire(r->up, f->context);
        }
    }
}

/* ---- life ---- */

rs_relay *rs_relay_new(rs_loop *l, rs_link *up, uint16_t self)
{
    rs_relay *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->loop = l;
    r->up = up;
    r->self = self;
    r->router.frame = on_route;
    rs_link_set_router(up, &r->router);
    return r;
}

void rs_relay_free(rs_relay *r)
{
    if (!r)
        return;
    rs_link_set_router(r->up, NULL);
    wake_taker(r, RS_ECLOSED);
    while (r->branches) {
        branch *b = r->branches;
        r->branches = b->next;
        free_branch(b);
    }
    free(r);
}

int rs_relay_attach(rs_relay *r, uint16_t context, rs_stream *in, rs_stream *out, pid_t pid)
{
    branch *b = branch_of(r, context);
    if (!b || b->over) {
        rs_stream_free(in);
        if (out != in)
            rs_stream_free(out);
        return -ENOENT;
    }
    b->pid = pid;
    rs_link_join(b->link, in, out);
    if (pid == 0)
        rs_link_keepalive(b->link, rs_link_heartbeat(r->up));
    else if (!b->over && rs_link_heartbeat(r->up) > 0)
        (void)rs_timer_start(r->loop, &b->look, rs_link_heartbeat(r->up), look_at);
    return 0;
}

bool rs_relay_ended(rs_relay *r, uint16_t *context, const char **why)
{
    for (branch *b = r->branches; b; b = b->next) {
        if (b->link || b->told)
            continue;
        b->told = true;
        *context = b->context;
        *why = b->why;
        return true;
    }
    return false;
}

static void abandon_taker(rs_wait *w)
{
    rs_relay *r = w->op;
    r->taker = NULL;
}

int rs_relay_await(rs_relay *r, rs_wait *w)
{
    if (r->taker)
        return RS_EUSAGE;
    rs_wait_init(w, abandon_taker, r);
    r->taker = w;
    for (branch *b = r->branches; b; b = b->next)
        if (!b->link && !b->told)
            wake_taker(r, 0);
    return 0;
}

void rs_relay_finish(rs_relay *r, uint16_t context, const char *why)
{
    branch *b = branch_of(r, context);
    if (!b)
        return;
    for (branch **p = &r->branches; *p; p = &(*p)->next) {
        if (*p != b)
            continue;
        *p = b->next;
        break;
    }
    for (route *w = b->routes; w; w = w->next)
        send_bye(r, w->up.context, why);
    free_branch(b);
}
