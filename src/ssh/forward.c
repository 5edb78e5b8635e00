#include "ssh/forward.h"

#include <libssh/libssh.h>
#include <libssh/server.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

enum { BACKLOG = 256 }; /* connections that wait for somebody to take them; more are refused */

typedef struct queued queued;
struct queued {
    rs_ssh_guest guest;
    queued *next;
};

/* A forward:
 *
 *   new: ASKING --yes--> OPEN --close--> CLOSING --answer--> CLOSED --free
 *          |                                                   ^
 *          +---no, or the connection is gone-------------------+
 *
 * The server's answers are waited for also when nobody wants them any more (the step goes on alone): it listens, or will
 * listen, until it is told otherwise. */
struct rs_ssh_forward {
    rs_ssh *ssh;
    rs_ssh_member member;
    rs_ssh_step step; /* asks, or ends it */
    enum { ASKING, OPEN, CLOSING, CLOSED } state;
    bool freed; /* by its owner: released as soon as the server has answered */
    int port, waiting;
    queued *first, **last;
    rs_ssh_accept *takers, **last_taker;
    char host[];
};

static rs_ssh_forward *of_step(rs_ssh_step *step)
{
    return (rs_ssh_forward *)((char *)step - offsetof(rs_ssh_forward, step));
}

static rs_ssh_forward *of_member(rs_ssh_member *m)
{
    return (rs_ssh_forward *)((char *)m - offsetof(rs_ssh_forward, member));
}

/* ---- connections ---- */

static void leave(rs_ssh_accept *a)
{
    if (!a->at)
        return;
    *a->at = a->next;
    if (a->next)
        a->next->at = a->at;
    else
        a->owner->last_taker = a->at;
    a->at = NULL;
}

static void abandon(rs_wait *w)
{
    leave(w->op);
}

static void give(rs_ssh_accept *a, const rs_ssh_guest *guest, int status)
{
    leave(a);
    if (guest)
        a->guest = *guest;
    rs_wait_done(&a->wait, status);
}

static void enqueue(rs_ssh_forward *f, queued *q)
{
    *f->last = q;
    f->last = &q->next;
    f->waiting++;
}

static rs_ssh_guest dequeue(rs_ssh_forward *f)
{
    queued *q = f->first;
    rs_ssh_guest guest = q->guest;
    f->first = q->next;
    if (!f->first)
        f->last = &f->first;
    f->waiting--;
    free(q);
    return guest;
}

static bool is_mine(const rs_ssh_forward *f, ssh_message message)
{
    return f->state <= OPEN && ssh_message_subtype(message) == SSH_CHANNEL_FORWARDED_TCPIP &&
           ssh_message_channel_request_open_destination_port(message) == f->port;
}

static rs_ssh_guest guest_of(rs_ssh_forward *f, ssh_message message)
{
    rs_ssh_guest guest = {.channel = rs_ssh_channel_take(f->ssh, message)};
    const char *from = ssh_message_channel_request_open_originator(message);
    snprintf(guest.address, sizeof guest.address, "%s", from ? from : "");
    guest.port = ssh_message_channel_request_open_originator_port(message);
    return guest;
}

static bool offered(rs_ssh_member *m, ssh_message message)
{
    rs_ssh_forward *f = of_member(m);
    queued *q = is_mine(f, message) && f->waiting < BACKLOG ? calloc(1, sizeof *q) : NULL;
    if (!q)
        return false;
    q->guest = guest_of(f, message);
    if (!q->guest.channel) {
        free(q);
        return false;
    }
    enqueue(f, q);
    if (f->takers) {
        rs_ssh_guest guest = dequeue(f);
        give(f->takers, &guest, 0);
    }
    return true;
}

void rs_ssh_forward_accept(rs_ssh_forward *f, rs_ssh_accept *a)
{
    *a = (rs_ssh_accept){.owner = f};
    rs_wait_init(&a->wait, abandon, a);
    if (f->state != OPEN) {
        rs_wait_done(&a->wait, RS_ECLOSED);
        return;
    }
    a->at = f->last_taker;
    *f->last_taker = a;
    f->last_taker = &a->next;
    if (f->first) {
        rs_ssh_guest guest = dequeue(f);
        give(a, &guest, 0);
    }
}

/* ---- life ---- */

static void drop_all(rs_ssh_forward *f)
{
    while (f->takers)
        give(f->takers, NULL, RS_ECLOSED);
    while (f->first) {
        rs_ssh_guest guest = dequeue(f);
        rs_ssh_channel_close(guest.channel);
        rs_ssh_channel_put(guest.channel);
    }
}

static void broken(rs_ssh_member *m)
{
    rs_ssh_forward *f = of_member(m);
    f->state = CLOSED;
    drop_all(f);
}

static int try_listen(rs_ssh *s, rs_ssh_step *step)
{
    rs_ssh_forward *f = of_step(step);
    int rc = ssh_channel_listen_forward(rs_ssh_raw(s), f->host, f->port, NULL);
    if (rc == SSH_AGAIN)
        return RS_SSH_AGAIN;
    f->state = rc == SSH_OK ? OPEN : CLOSED;
    return rc == SSH_OK ? 0 : RS_EPROTO;
}

static int try_cancel(rs_ssh *s, rs_ssh_step *step)
{
    rs_ssh_forward *f = of_step(step);
    if (ssh_channel_cancel_forward(rs_ssh_raw(s), f->host, f->port) == SSH_AGAIN)
        return RS_SSH_AGAIN;
    f->state = CLOSED;
    return 0;
}

static void prepare_close(rs_ssh_forward *f)
{
    f->state = CLOSING;
    f->step.try = try_cancel;
    f->step.name = "the end of a listener";
    drop_all(f);
}

static void release(rs_ssh_forward *f)
{
    rs_ssh_leave(&f->member);
    drop_all(f);
    free(f);
}

/* Only what was freed is orphaned for long: else its owner still has to free it. */
static void orphaned(rs_ssh *s, rs_ssh_step *step, int result)
{
    rs_ssh_forward *f = of_step(step);
    if (result == RS_ECLOSED)
        f->state = CLOSED;
    if (!f->freed)
        return;
    if (f->state != OPEN) {
        release(f);
        return;
    }
    prepare_close(f);
    rs_ssh_run_alone(s, step);
}

rs_ssh_forward *rs_ssh_forward_new(rs_ssh *s, const char *host, int port)
{
    size_t n = strlen(host) + 1;
    rs_ssh_forward *f = calloc(1, sizeof *f + n);
    if (!f)
        return NULL;
    memcpy(f->host, host, n);
    f->ssh = s;
    f->port = port;
    f->last = &f->first;
    f->last_taker = &f->takers;
    f->member = (rs_ssh_member){.broken = broken, .offered = offered};
    f->step = (rs_ssh_step){.try = try_listen, .name = "a listener", .orphaned = orphaned, .global = true};
    rs_ssh_join(s, &f->member);
    rs_ssh_run(s, &f->step);
    return f;
}

rs_wait *rs_ssh_forward_opening(rs_ssh_forward *f)
{
    return &f->step.wait;
}

rs_wait *rs_ssh_forward_close(rs_ssh_forward *f)
{
    if (f->state != OPEN)
        return NULL;
    prepare_close(f);
    rs_ssh_run(f->ssh, &f->step);
    return &f->step.wait;
}

bool rs_ssh_forward_closed(const rs_ssh_forward *f)
{
    return f->state >= CLOSING;
}

void rs_ssh_forward_free(rs_ssh_forward *f)
{
    if (!f)
        return;
    f->freed = true;
    if (f->step.at) {
        rs_wait_abandon(&f->step.wait);
        return;
    }
    if (f->state != OPEN) {
        release(f);
        return;
    }
    prepare_close(f);
    rs_ssh_run_alone(f->ssh, &f->step);
}
