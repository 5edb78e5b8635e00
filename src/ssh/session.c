#include "ssh/session.h"

#include <errno.h>
#include <fcntl.h>
#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <libssh/server.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "base/err.h"
#include "loop/timer.h"
#include "ssh/trace.h"

#define RS_LOG_MODULE "ssh"
#include "base/log.h"

enum {
    ROUNDS = 64,    /* reads of the socket before others get a turn */
    READS_OF = 4096 /* bytes that libssh reads at once; less was all there was */
};

/* A connection:
 *
 *   new --handshake--> encrypted --authenticate--> open (channels) ----> broken
 *    |                    |                           |                    ^
 *    +--------------------+---------------------------+---- any error -----+
 *
 * libssh has one copy of the fd and may close it when it likes; the loop watches another. */
struct rs_ssh {
    rs_loop *loop;
    ssh_session raw;
    ssh_event event;
    uv_poll_t *poll; /* freed by its close callback */
    int fd;
    int watched; /* events that poll watches */
    bool pumping, suspended, encrypted, in_event;
    bool freed; /* inside its own events, or held by a worker: freed when that is over */
    int holds;
    rs_timer kick;
    rs_ssh_step *steps;
    rs_ssh_member *members;
    rs_ssh_places places;
    unsigned long long heard;
    struct ssh_counter_struct counter; /* of bytes on the socket */
    uint64_t seen;                     /* those that had come in when members and steps were last told */
    rs_ssh_trace *trace;
    char broken[256];
};

static const char GCM_FIRST[] = "aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,"
                                "aes256-ctr,aes192-ctr,aes128-ctr";

static bool cpu_has_aes(void)
{
#if defined(__x86_64__) || defined(__i386__)
    return __builtin_cpu_supports("aes");
#else
    return true;
#endif
}

struct ssh_session_struct *rs_ssh_raw(rs_ssh *s)
{
    return s->raw;
}

rs_loop *rs_ssh_loop(rs_ssh *s)
{
    return s->loop;
}

const char *rs_ssh_broken(const rs_ssh *s)
{
    return s->broken;
}

unsigned long long rs_ssh_last_heard(const rs_ssh *s)
{
    return s->heard;
}

rs_ssh_places *rs_ssh_places_of(rs_ssh *s)
{
    return &s->places;
}

/* ---- events ---- */

static void on_poll(uv_poll_t *h, int status, int events);

/* A delayed acknowledgement would cost 40 ms where the server holds back its next packet for it. The kernel forgets the
 * setting, so it is made before every wait for an answer. */
static void quick_ack(rs_ssh *s)
{
    int on = 1;
    if (!s->encrypted || s->steps)
        setsockopt(s->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

static void watch(rs_ssh *s)
{
    int events = 0;
    if (!s->broken[0] && !s->suspended)
        events = UV_READABLE | ((ssh_get_poll_flags(s->raw) & SSH_WRITE_PENDING) ? UV_WRITABLE : 0);
    quick_ack(s);
    if (events == s->watched)
        return;
    s->watched = events;
    if (events)
        uv_poll_start(s->poll, events, on_poll);
    else
        uv_poll_stop(s->poll);
}

static void step_remove(rs_ssh_step *step)
{
    *step->at = step->next;
    if (step->next)
        step->next->at = step->at;
    step->at = NULL;
}

static void finish(rs_ssh *s, rs_ssh_step *step, int result)
{
    if (step->at)
        step_remove(step);
    if (step->alone)
        step->orphaned(s, step, result);
    else
        rs_wait_done(&step->wait, result);
}

static void note_broken(rs_ssh *s, const char *why)
{
    if (s->broken[0])
        return;
    snprintf(s->broken, sizeof s->broken, "%s", why && *why ? why : "the connection was closed");
    rs_debug("%s", s->broken);
}

/* Tells everybody. */
static void collapse(rs_ssh *s)
{
    while (s->steps)
        finish(s, s->steps, RS_ECLOSED);
    while (s->members) {
        rs_ssh_member *m = s->members;
        rs_ssh_leave(m);
        m->broken(m);
    }
}

/* Tries every step once, of the global ones the oldest only. True when one of them got its result. */
static bool try_steps(rs_ssh *s)
{
    bool any = false, global = false;
    for (rs_ssh_step *step = s->steps, *next; step; step = next) {
        next = step->next;
        if (step->global && global)
            continue;
        global = global || step->global;
        int result = step->try(s, step);
        if (result == RS_SSH_AGAIN)
            continue;
        any = true;
        finish(s, step, result);
    }
    return any;
}

static void settle_members(rs_ssh *s)
{
    for (rs_ssh_member *m = s->members, *next; m; m = next) {
        next = m->next;
        if (m->settle)
            m->settle(m);
    }
}

/* What the server asks for and no member takes is refused: 1 makes libssh do that. */
static int on_message(ssh_session raw, ssh_message message, void *user)
{
    (void)raw;
    rs_ssh *s = user;
    if (ssh_message_type(message) != SSH_REQUEST_CHANNEL_OPEN)
        return 1;
    for (rs_ssh_member *m = s->members, *next; m; m = next) {
        next = m->next;
        if (m->offered && m->offered(m, message))
            return 0;
    }
    return 1;
}

/* Lets libssh read and write what it can, then everybody look at what has changed. Where it has read less than it could,
 * there is no more: the loop will tell when there is. */
static void pump(rs_ssh *s)
{
    if (s->pumping || s->suspended)
        return;
    s->pumping = true;
    for (int i = 0; i < ROUNDS && !s->broken[0]; i++) {
        uint64_t before = s->counter.in_bytes;
        int rc = s->in_event ? ssh_event_dopoll(s->event, 0) : SSH_AGAIN;
        bool drained = rc == SSH_AGAIN || s->counter.in_bytes - before < READS_OF;
        if (rc == SSH_ERROR || (s->encrypted && !ssh_is_connected(s->raw)))
            note_broken(s, ssh_get_error(s->raw));
        rs_ssh_trace_got(s->trace, s->steps);
        bool news = !s->broken[0] && try_steps(s);
        if (drained && !news)
            break;
    }
    s->seen = s->counter.in_bytes;
    settle_members(s);
    rs_ssh_trace_pumped(s->trace, s->steps);
    if (s->broken[0])
        collapse(s);
    s->pumping = false;
    if (s->freed)
        rs_ssh_free(s);
    else
        watch(s);
}

/* libuv says EBADF of any socket that has an error. */
static const char *poll_error(const rs_ssh *s, int status)
{
    int err = 0;
    socklen_t len = sizeof err;
    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &err, &len) || !err)
        return status == UV_EBADF ? "the connection was reset" : uv_strerror(status);
    return uv_strerror(-err);
}

static void on_poll(uv_poll_t *h, int status, int events)
{
    rs_ssh *s = h->data;
    if (status < 0)
        note_broken(s, poll_error(s, status));
    if (events & UV_READABLE)
        s->heard = rs_loop_now();
    pump(s);
}

static void on_kick(rs_timer *t)
{
    pump((rs_ssh *)((char *)t - offsetof(rs_ssh, kick)));
}

void rs_ssh_again(rs_ssh *s)
{
    if (!rs_timer_running(&s->kick))
        (void)rs_timer_start(s->loop, &s->kick, 0, on_kick);
}

void rs_ssh_kick(rs_ssh *s)
{
    if (!s->pumping)
        rs_ssh_again(s);
}

/* libssh holds every write for unfinished until it has looked at the socket again. That alone is a fourth of what a whole round
 * of events costs in system calls, a turn of the loop included. */
void rs_ssh_wrote(rs_ssh *s)
{
    if (s->pumping || s->suspended)
        return;
    int rc = ssh_event_dopoll(s->event, 0);
    if (rc == SSH_ERROR || s->counter.in_bytes != s->seen || (ssh_get_poll_flags(s->raw) & SSH_WRITE_PENDING))
        rs_ssh_again(s);
    else
        rs_ssh_trace_pumped(s->trace, s->steps);
}

void rs_ssh_note_sent(rs_ssh *s, const char *what)
{
    rs_ssh_trace_sent(s->trace, what);
}

void rs_ssh_suspend(rs_ssh *s, bool on)
{
    s->suspended = on;
    watch(s);
    if (!on)
        rs_ssh_kick(s);
}

/* ---- steps and members ---- */

static void forget(rs_wait *w)
{
    rs_ssh_step *step = w->op;
    if (step->orphaned)
        step->alone = true;
    else if (step->at)
        step_remove(step);
}

static void begin(rs_ssh *s, rs_ssh_step *step, bool alone)
{
    rs_wait_init(&step->wait, forget, step);
    step->at = NULL;
    step->alone = alone;
    if (s->broken[0]) {
        finish(s, step, RS_ECLOSED);
        return;
    }
    rs_ssh_trace_sent(s->trace, step->name);
    rs_ssh_step **end = &s->steps;
    while (*end)
        end = &(*end)->next;
    step->next = NULL;
    step->at = end;
    *end = step;
    rs_ssh_kick(s);
}

void rs_ssh_run(rs_ssh *s, rs_ssh_step *step)
{
    begin(s, step, false);
}

void rs_ssh_run_alone(rs_ssh *s, rs_ssh_step *step)
{
    begin(s, step, true);
}

void rs_ssh_join(rs_ssh *s, rs_ssh_member *m)
{
    m->next = s->members;
    m->at = &s->members;
    if (m->next)
        m->next->at = &m->next;
    s->members = m;
}

void rs_ssh_leave(rs_ssh_member *m)
{
    if (!m->at)
        return;
    *m->at = m->next;
    if (m->next)
        m->next->at = m->at;
    m->at = NULL;
}

int rs_ssh_handshake(rs_ssh *s, rs_ssh_step *step)
{
    (void)step;
    int rc = ssh_connect(s->raw);
    if (!s->in_event && rc != SSH_ERROR) /* there is nothing to add before the first call */
        s->in_event = ssh_event_add_session(s->event, s->raw) == SSH_OK;
    if (rc == SSH_AGAIN)
        return RS_SSH_AGAIN;
    if (rc == SSH_OK) {
        s->encrypted = true;
        return 0;
    }
    note_broken(s, ssh_get_error(s->raw));
    return RS_EPROTO;
}

/* ssh_send_keepalive isn't used: it leaves the one slot for global requests pending, and the next request takes its refusal for
 * its own. */
static int try_ping(rs_ssh *s, rs_ssh_step *step)
{
    (void)step;
    return ssh_channel_cancel_forward(s->raw, "127.0.0.255", 1) == SSH_AGAIN ? RS_SSH_AGAIN : 0;
}

static void drop_ping(rs_ssh *s, rs_ssh_step *step, int result)
{
    (void)s, (void)result;
    free(step);
}

rs_ssh_step *rs_ssh_ping(rs_ssh *s)
{
    rs_ssh_step *step = calloc(1, sizeof *step);
    if (!step)
        return NULL;
    step->try = try_ping;
    step->name = "a ping";
    step->orphaned = drop_ping;
    step->global = true;
    rs_ssh_run(s, step);
    return step;
}

/* ---- birth and end ---- */

static int set(ssh_session raw, enum ssh_options_e option, const char *value)
{
    if (!value)
        return 0;
    return ssh_options_set(raw, option, value) == SSH_OK ? 0 : -EINVAL;
}

/* 0 stands for libssh's choice. */
static int set_rekey(ssh_session raw, const rs_ssh_options *o)
{
    uint64_t bytes = o->rekey_bytes;
    uint32_t seconds = o->rekey_seconds;
    if (bytes && ssh_options_set(raw, SSH_OPTIONS_REKEY_DATA, &bytes) != SSH_OK)
        return -EINVAL;
    if (seconds && ssh_options_set(raw, SSH_OPTIONS_REKEY_TIME, &seconds) != SSH_OK)
        return -EINVAL;
    return 0;
}

static int set_ciphers(ssh_session raw, const char *ciphers)
{
    if (!ciphers && cpu_has_aes())
        ciphers = GCM_FIRST;
    int err = set(raw, SSH_OPTIONS_CIPHERS_C_S, ciphers);
    return err ? err : set(raw, SSH_OPTIONS_CIPHERS_S_C, ciphers);
}

static int set_options(ssh_session raw, int fd, const rs_ssh_options *o)
{
    int no = 0, nodelay = 1;
    ssh_options_set(raw, SSH_OPTIONS_PROCESS_CONFIG, &no); /* it would read files, on the loop */
    ssh_options_set(raw, SSH_OPTIONS_NODELAY, &nodelay);
    int err = set(raw, SSH_OPTIONS_HOST, o->host ? o->host : "localhost");
    /* We read known_hosts ourselves: libssh would, on the loop, and put its own order above ours. Nor needs it to know
     * where the user's home is. */
    if (!err)
        err = set(raw, SSH_OPTIONS_SSH_DIR, "/nonexistent");
    if (!err)
        err = set(raw, SSH_OPTIONS_KNOWNHOSTS, "/dev/null");
    if (!err)
        err = set(raw, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null");
    if (!err)
        err = set(raw, SSH_OPTIONS_USER, o->user);
    if (!err)
        err = set_ciphers(raw, o->ciphers);
    if (!err)
        err = set(raw, SSH_OPTIONS_KEY_EXCHANGE, o->kex);
    if (!err)
        err = set(raw, SSH_OPTIONS_HMAC_C_S, o->macs);
    if (!err)
        err = set(raw, SSH_OPTIONS_HMAC_S_C, o->macs);
    if (!err)
        err = set(raw, SSH_OPTIONS_HOSTKEYS, o->hostkeys);
    if (!err && o->compression)
        err = set(raw, SSH_OPTIONS_COMPRESSION, "yes");
    if (!err)
        err = set_rekey(raw, o);
    if (!err && ssh_options_set(raw, SSH_OPTIONS_FD, &fd) != SSH_OK)
        err = -ENOMEM;
    return err;
}

void rs_ssh_hold(rs_ssh *s)
{
    s->holds++;
}

void rs_ssh_unhold(rs_ssh *s)
{
    if (--s->holds == 0 && s->freed && !s->pumping)
        rs_ssh_free(s);
}

static void free_handle(uv_handle_t *h)
{
    free(h);
}

/* libssh closes a socket that it was given only when that has failed, else leaves it open. Ours is a copy, which tells
 * whether the number still means it. */
static void close_left(const rs_ssh *s, int fd)
{
    struct stat theirs, ours;
    if (fd >= 0 && s->fd >= 0 && !fstat(fd, &theirs) && !fstat(s->fd, &ours) && theirs.st_dev == ours.st_dev &&
        theirs.st_ino == ours.st_ino)
        close(fd);
}

void rs_ssh_free(rs_ssh *s)
{
    if (!s)
        return;
    if (s->pumping || s->holds > 0) {
        s->freed = true;
        if (s->holds > 0)
            shutdown(s->fd, SHUT_RDWR); /* wakes the worker */
        else
            note_broken(s, "the connection was closed");
        return;
    }
    note_broken(s, "the connection was closed");
    collapse(s);
    rs_timer_stop(s->loop, &s->kick);
    if (s->poll) {
        uv_poll_stop(s->poll);
        uv_close((uv_handle_t *)s->poll, free_handle);
    }
    if (s->event) {
        if (s->in_event)
            ssh_event_remove_session(s->event, s->raw);
        ssh_event_free(s->event);
    }
    if (s->raw) {
        int fd = ssh_get_fd(s->raw);
        ssh_disconnect(s->raw);
        ssh_free(s->raw);
        close_left(s, fd);
    }
    if (s->fd >= 0)
        close(s->fd);
    rs_ssh_trace_free(s->trace);
    free(s);
}

static int watch_fd(rs_ssh *s)
{
    s->poll = calloc(1, sizeof *s->poll);
    if (!s->poll)
        return -ENOMEM;
    int err = uv_poll_init(rs_loop_uv(s->loop), s->poll, s->fd);
    if (err) {
        free(s->poll);
        s->poll = NULL;
        return err;
    }
    s->poll->data = s;
    return 0;
}

/* libssh gets fd itself; the loop a copy. */
static int open_raw(rs_ssh *s, int fd, const rs_ssh_options *o)
{
    int nodelay = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &nodelay, sizeof nodelay);
    s->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    s->raw = s->fd < 0 ? NULL : ssh_new();
    s->event = s->raw ? ssh_event_new() : NULL;
    if (!s->event)
        return -ENOMEM;
    ssh_set_blocking(s->raw, 0);
    ssh_set_counters(s->raw, &s->counter, NULL);
    s->trace = rs_ssh_trace_new(&s->counter, o->host);
    ssh_set_message_callback(s->raw, on_message, s);
    int err = set_options(s->raw, fd, o);
    if (err)
        return err;
    return watch_fd(s);
}

int rs_ssh_new(rs_loop *l, int fd, const rs_ssh_options *o, rs_ssh **out)
{
    rs_ssh *s = calloc(1, sizeof *s);
    if (!s) {
        close(fd);
        return -ENOMEM;
    }
    s->loop = l;
    s->fd = -1;
    s->heard = rs_loop_now();
    int err = open_raw(s, fd, o);
    if (err) {
        close(fd);
        rs_ssh_free(s);
        return err;
    }
    *out = s;
    return 0;
}
