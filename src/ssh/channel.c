#include "ssh/channel.h"

#include <errno.h>
#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"

enum {
    HIGH = 1024 * 1024, /* bytes that we keep for a reader; past them the server's window runs out */
    LOW = 256 * 1024,
    BULK = 64 * 1024, /* bytes handed to a session at once, so that control is never behind more */
};

typedef struct source source;

/* One of a channel's streams. */
struct source {
    rs_ssh_channel *channel;
    rs_stream *stream; /* NULL while nobody has asked for it, and once it was freed */
    rs_buf got;        /* what has come in and was not read */
    bool is_err, reads, writes, want_in, want_out, gone;
};

struct rs_ssh_channel {
    rs_ssh *ssh; /* NULL once the connection is gone */
    rs_ssh_member member;
    ssh_channel raw;
    struct ssh_channel_callbacks_struct callbacks;
    int holders;
    source out, err, in;
    bool eof, closed, stalled; /* stalled: libssh keeps bytes that we didn't take */
    bool sent_eof, answered;   /* answered: both sides have closed it */
    bool unread, told;         /* something came for a stream that was closed; the waiter was told */
    int *place;                /* the count of the connection's channels that it is part of */
    rs_ssh_exit exit;
    rs_wait *waiter;
};

/* Moves it to another count, NULL for none. */
static void take_place(rs_ssh_channel *c, int *place)
{
    if (c->place)
        --*c->place;
    if (place)
        ++*place;
    c->place = place;
}

static void destroy(rs_ssh_channel *c)
{
    rs_ssh_leave(&c->member);
    take_place(c, NULL);
    if (c->raw && c->ssh) {
        ssh_remove_channel_callbacks(c->raw, &c->callbacks);
        ssh_channel_free(c->raw);
        rs_ssh_kick(c->ssh);
    }
    rs_buf_fini(&c->out.got);
    rs_buf_fini(&c->err.got);
    free(c);
}

/* Never inside libssh's callbacks: they only append and mark. */
void rs_ssh_channel_put(rs_ssh_channel *c)
{
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): who calls this is a holder, so an earlier put can't have freed it */
    if (c && --c->holders == 0)
        destroy(c);
}

/* ---- what libssh calls; nothing here may free a channel ---- */

/* Bytes for somebody who doesn't read any more are taken and dropped, so that the window stays open. */
static int on_data(ssh_session session, ssh_channel raw, void *data, uint32_t len, int is_stderr, void *user)
{
    (void)session, (void)raw;
    rs_ssh_channel *c = user;
    source *src = is_stderr ? &c->err : &c->out;
    if (src->gone) {
        c->unread = true;
        return (int)len;
    }
    if (c->stalled || rs_buf_len(&src->got) >= HIGH || rs_buf_add(&src->got, data, len)) {
        c->stalled = true;
        return 0;
    }
    return (int)len;
}

static void on_eof(ssh_session session, ssh_channel raw, void *user)
{
    (void)session, (void)raw;
    rs_ssh_channel *c = user;
    c->eof = true;
}

static void on_close(ssh_session session, ssh_channel raw, void *user)
{
    (void)session, (void)raw;
    rs_ssh_channel *c = user;
    c->eof = c->closed = true;
    c->exit.ended = true;
}

static void on_exit_status(ssh_session session, ssh_channel raw, int status, void *user)
{
    (void)session, (void)raw;
    rs_ssh_channel *c = user;
    c->exit.ended = true;
    c->exit.code = status;
}

static void on_exit_signal(ssh_session session, ssh_channel raw, const char *sig, int core, const char *message,
                           const char *lang, void *user)
{
    (void)session, (void)raw, (void)core, (void)message, (void)lang;
    rs_ssh_channel *c = user;
    c->exit.ended = true;
    snprintf(c->exit.signal, sizeof c->exit.signal, "%s", sig);
}

/* ---- after events ---- */

/* All that libssh kept is taken at once: reading in pieces would open the window again with bytes still kept. */
static void unstall(rs_ssh_channel *c)
{
    source *sources[] = {&c->out, &c->err};
    if (!c->stalled || !c->raw || rs_buf_len(&c->out.got) > LOW || rs_buf_len(&c->err.got) > LOW)
        return;
    c->stalled = false;
    for (int i = 0; i < 2; i++) {
        char *to;
        int n;
        do {
            if (rs_buf_reserve(&sources[i]->got, BULK, &to))
                return;
            n = ssh_channel_read_nonblocking(c->raw, to, BULK, i);
            if (n > 0)
                rs_buf_commit(&sources[i]->got, (size_t)n);
        } while (n > 0);
        if (sources[i]->gone)
            rs_buf_clear(&sources[i]->got);
    }
    rs_ssh_kick(c->ssh);
}

static bool writable(const rs_ssh_channel *c)
{
    if (!c->ssh || c->closed || !c->raw)
        return true; /* to learn that it is over */
    return !(ssh_get_poll_flags(rs_ssh_raw(c->ssh)) & SSH_WRITE_PENDING) && ssh_channel_window_size(c->raw) > 0;
}

static void tell(source *src)
{
    rs_ssh_channel *c = src->channel;
    const rs_buf *got = src == &c->in ? &c->out.got : &src->got;
    bool in = src->want_in && src->reads && (rs_buf_len(got) > 0 || c->eof || !c->ssh);
    bool out = src->want_out && src->writes && writable(c);
    if (src->stream && (in || out))
        rs_stream_ready(src->stream, in, out);
}

/* For who waits for the end; that something is unread is told once. */
static bool has_news(rs_ssh_channel *c)
{
    bool unread = c->unread && !c->told;
    c->told = c->told || unread;
    return c->exit.ended || unread;
}

static void tell_all(rs_ssh_channel *c)
{
    c->holders++;
    tell(&c->out);
    tell(&c->err);
    tell(&c->in);
    if (c->waiter && has_news(c)) {
        rs_wait *w = c->waiter;
        c->waiter = NULL;
        rs_wait_done(w, 0);
    }
    rs_ssh_channel_put(c);
}

/* A server that has closed a channel keeps its place until we have closed it too. */
static void answer_close(rs_ssh_channel *c)
{
    if (!c->closed || c->answered || c->stalled || !c->raw)
        return;
    c->answered = true;
    ssh_channel_close(c->raw);
    take_place(c, NULL);
    rs_ssh_again(c->ssh); /* for who waits for the place */
}

static void settle(rs_ssh_member *m)
{
    rs_ssh_channel *c = (rs_ssh_channel *)((char *)m - offsetof(rs_ssh_channel, member));
    unstall(c);
    answer_close(c);
    tell_all(c);
}

static void broken(rs_ssh_member *m)
{
    rs_ssh_channel *c = (rs_ssh_channel *)((char *)m - offsetof(rs_ssh_channel, member));
    c->holders++;
    if (c->raw) {
        ssh_remove_channel_callbacks(c->raw, &c->callbacks);
        ssh_channel_free(c->raw);
    }
    c->raw = NULL;
    c->ssh = NULL;
    c->place = NULL;
    c->exit.ended = true;
    tell_all(c);
    rs_ssh_channel_put(c);
}

/* ---- sources of streams ---- */

static ssize_t source_read(void *self, char *to, size_t n)
{
    source *src = self;
    rs_ssh_channel *c = src->channel;
    rs_buf *got = src == &c->in ? &c->out.got : &src->got;
    size_t len = rs_buf_len(got);
    if (len > 0) {
        n = len < n ? len : n;
        memcpy(to, rs_buf_data(got), n);
        rs_buf_consume(got, n);
        unstall(c);
        return (ssize_t)n;
    }
    if (c->eof)
        return 0;
    return c->ssh ? -EAGAIN : RS_ECLOSED;
}

static bool source_take(void *self, rs_buf *to)
{
    source *src = self;
    rs_ssh_channel *c = src->channel;
    rs_buf *got = src == &c->in ? &c->out.got : &src->got;
    size_t len = rs_buf_len(got);
    if (len == 0 || len > rs_buf_room(to))
        return false;
    rs_buf_swap(got, to);
    unstall(c);
    return true;
}

static ssize_t source_write(void *self, const char *from, size_t n)
{
    source *src = self;
    rs_ssh_channel *c = src->channel;
    if (!c->ssh || !c->raw || c->closed || c->sent_eof)
        return RS_ECLOSED;
    if (!writable(c))
        return -EAGAIN;
    rs_ssh_note_sent(c->ssh, "input");
    int put = ssh_channel_write(c->raw, from, n < BULK ? (uint32_t)n : BULK);
    if (put > 0) {
        rs_ssh_wrote(c->ssh);
        return put;
    }
    rs_ssh_kick(c->ssh);
    return put == SSH_AGAIN || put == 0 ? -EAGAIN : RS_ECLOSED;
}

static void source_want(void *self, bool in, bool out)
{
    source *src = self;
    src->want_in = in;
    src->want_out = out;
    tell(src);
}

static int source_shutdown(void *self)
{
    source *src = self;
    rs_ssh_channel *c = src->channel;
    if (!c->ssh || !c->raw || c->sent_eof || c->closed)
        return 0;
    c->sent_eof = true;
    rs_ssh_note_sent(c->ssh, "the end of input");
    ssh_channel_send_eof(c->raw);
    rs_ssh_kick(c->ssh);
    return 0;
}

static void source_close(void *self)
{
    source *src = self;
    rs_ssh_channel *c = src->channel;
    if (src->writes)
        source_shutdown(src);
    src->stream = NULL;
    src->gone = true;
    src->want_in = src->want_out = false;
    rs_buf_clear(&src->got);
    if (src == &c->in && src->reads)
        c->out.gone = true;
    unstall(c);
    rs_ssh_channel_put(c);
}

static const rs_stream_ops source_ops = {source_read,  source_write, source_want, source_shutdown,
                                         source_close, source_take,  NULL};

static rs_stream *open_source(source *src, bool reads, bool writes)
{
    if (src->stream || src->gone)
        return NULL;
    src->reads = reads;
    src->writes = writes;
    src->channel->holders++;
    src->stream = rs_stream_new(&source_ops, src);
    return src->stream;
}

rs_stream *rs_ssh_channel_in(rs_ssh_channel *c)
{
    return open_source(&c->in, false, true);
}

rs_stream *rs_ssh_channel_out(rs_ssh_channel *c)
{
    return open_source(&c->out, true, false);
}

rs_stream *rs_ssh_channel_err(rs_ssh_channel *c)
{
    return open_source(&c->err, true, false);
}

rs_stream *rs_ssh_channel_both(rs_ssh_channel *c)
{
    return open_source(&c->in, true, true);
}

/* ---- life ---- */

static void source_init(source *src, rs_ssh_channel *c, bool is_err)
{
    src->channel = c;
    src->is_err = is_err;
    rs_buf_init(&src->got, 0);
}

rs_ssh_channel *rs_ssh_channel_new(rs_ssh *s, bool program)
{
    rs_ssh_channel *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->raw = ssh_channel_new(rs_ssh_raw(s));
    if (!c->raw) {
        free(c);
        return NULL;
    }
    c->ssh = s;
    c->holders = 1;
    c->exit.code = -1;
    source_init(&c->out, c, false);
    source_init(&c->err, c, true);
    source_init(&c->in, c, false);
    c->callbacks = (struct ssh_channel_callbacks_struct){
        .userdata = c,
        .channel_data_function = on_data,
        .channel_eof_function = on_eof,
        .channel_close_function = on_close,
        .channel_exit_status_function = on_exit_status,
        .channel_exit_signal_function = on_exit_signal,
    };
    ssh_callbacks_init(&c->callbacks);
    ssh_set_channel_callbacks(c->raw, &c->callbacks);
    c->member.broken = broken;
    c->member.settle = settle;
    rs_ssh_join(s, &c->member);
    if (program)
        take_place(c, &rs_ssh_places_of(s)->opening);
    return c;
}

rs_ssh_channel *rs_ssh_channel_take(rs_ssh *s, struct ssh_message_struct *message)
{
    rs_ssh_channel *c = rs_ssh_channel_new(s, false);
    if (c && ssh_message_channel_request_open_reply_accept_channel(message, c->raw) != SSH_OK) {
        rs_ssh_channel_put(c);
        return NULL;
    }
    return c;
}

/* Nobody gets to know any more how the program ends. */
static void dismiss_waiter(rs_ssh_channel *c)
{
    rs_wait *w = c->waiter;
    c->waiter = NULL;
    if (w)
        rs_wait_done(w, RS_ECLOSED);
}

void rs_ssh_channel_close(rs_ssh_channel *c)
{
    dismiss_waiter(c);
    if (!c->ssh || !c->raw || c->closed)
        return;
    rs_ssh_note_sent(c->ssh, "close");
    ssh_channel_close(c->raw);
    rs_ssh_kick(c->ssh);
}

rs_ssh_exit rs_ssh_channel_exit(const rs_ssh_channel *c)
{
    return c->exit;
}

static void abandon_exit(rs_wait *w)
{
    rs_ssh_channel *c = w->op;
    c->waiter = NULL;
}

int rs_ssh_channel_await_exit(rs_ssh_channel *c, rs_wait *w)
{
    if (c->waiter)
        return RS_EUSAGE;
    rs_wait_init(w, abandon_exit, c);
    if (has_news(c))
        rs_wait_done(w, 0);
    else
        c->waiter = w;
    return 0;
}

bool rs_ssh_channel_unread(rs_ssh_channel *c)
{
    bool unread = c->unread;
    c->unread = false;
    return unread;
}

int rs_ssh_channel_signal(rs_ssh_channel *c, const char *name)
{
    if (!c->ssh || !c->raw || c->closed)
        return RS_ECLOSED;
    rs_ssh_note_sent(c->ssh, "a signal");
    int rc = ssh_channel_request_send_signal(c->raw, name);
    rs_ssh_kick(c->ssh);
    return rc == SSH_OK ? 0 : RS_EPROTO;
}

int rs_ssh_channel_resize(rs_ssh_channel *c, int rows, int cols)
{
    if (!c->ssh || !c->raw || c->closed)
        return RS_ECLOSED;
    rs_ssh_note_sent(c->ssh, "the terminal's size");
    int rc = ssh_channel_change_pty_size(c->raw, cols, rows);
    rs_ssh_kick(c->ssh);
    return rc == SSH_ERROR ? RS_EPROTO : 0;
}

/* ---- requests ---- */

static int outcome(int rc)
{
    if (rc == SSH_AGAIN)
        return RS_SSH_AGAIN;
    return rc == SSH_OK ? 0 : RS_EPROTO;
}

/* Of a request on an open channel: libssh would wait for an answer also on one that the server has closed. */
static int answer(const rs_ssh_request *r, int rc)
{
    return rc == SSH_AGAIN && r->channel->closed ? RS_ECLOSED : outcome(rc);
}

static rs_ssh_request *request_of(rs_ssh_step *step)
{
    return (rs_ssh_request *)((char *)step - offsetof(rs_ssh_request, step));
}

static int try_session(rs_ssh *s, rs_ssh_step *step)
{
    rs_ssh_channel *c = request_of(step)->channel;
    int result = outcome(ssh_channel_open_session(c->raw));
    if (result != RS_SSH_AGAIN)
        take_place(c, result ? NULL : &rs_ssh_places_of(s)->open);
    return result;
}

int rs_ssh_await_room(rs_ssh *s, rs_ssh_step *step)
{
    const rs_ssh_places *p = rs_ssh_places_of(s);
    return p->open + p->opening < request_of(step)->a ? 0 : RS_SSH_AGAIN;
}

static int try_tcp(rs_ssh *s, rs_ssh_step *step)
{
    (void)s;
    rs_ssh_request *r = request_of(step);
    return outcome(ssh_channel_open_forward(r->channel->raw, r->text, r->a, "127.0.0.1", 0));
}

static int try_unix(rs_ssh *s, rs_ssh_step *step)
{
    (void)s;
    rs_ssh_request *r = request_of(step);
    return outcome(ssh_channel_open_forward_unix(r->channel->raw, r->text, "127.0.0.1", 0));
}

/* Nobody else knows of a channel that opened too late, and a server that isn't told keeps it among its sessions. */
static void drop_late(rs_ssh *s, rs_ssh_step *step, int result)
{
    (void)s;
    rs_ssh_request *r = request_of(step);
    if (result == 0)
        rs_ssh_channel_close(r->channel);
    rs_ssh_channel_put(r->channel);
    free(r);
}

rs_ssh_request *rs_ssh_open(rs_ssh *s, rs_ssh_channel *c, enum rs_ssh_to to, const char *where, int port)
{
    static int (*const tries[])(rs_ssh *, rs_ssh_step *) = {try_session, try_tcp, try_unix};
    static const char *const names[] = {"a channel", "a TCP channel", "a unix channel"};
    size_t n = strlen(where) + 1;
    rs_ssh_request *r = calloc(1, sizeof *r + n);
    if (!r)
        return NULL;
    r->text = memcpy(r + 1, where, n);
    r->a = port;
    r->channel = c;
    r->step.try = tries[to];
    r->step.name = names[to];
    r->step.orphaned = drop_late;
    c->holders++;
    rs_ssh_run(s, &r->step);
    return r;
}

void rs_ssh_request_free(rs_ssh_request *r)
{
    rs_ssh_channel_put(r->channel);
    free(r);
}

int rs_ssh_exec(rs_ssh *s, rs_ssh_step *step)
{
    (void)s;
    rs_ssh_request *r = request_of(step);
    return answer(r, ssh_channel_request_exec(r->channel->raw, r->text));
}

int rs_ssh_subsystem(rs_ssh *s, rs_ssh_step *step)
{
    (void)s;
    rs_ssh_request *r = request_of(step);
    return answer(r, ssh_channel_request_subsystem(r->channel->raw, r->text));
}

int rs_ssh_pty(rs_ssh *s, rs_ssh_step *step)
{
    (void)s;
    rs_ssh_request *r = request_of(step);
    return answer(r, ssh_channel_request_pty_size(r->channel->raw, r->text, r->b, r->a));
}

int rs_ssh_setenv(rs_ssh *s, rs_ssh_step *step)
{
    (void)s;
    rs_ssh_request *r = request_of(step);
    return ssh_channel_request_env(r->channel->raw, r->text, r->value) == SSH_AGAIN ? RS_SSH_AGAIN : 0;
}

const char *rs_ssh_refusal(rs_ssh *s)
{
    return ssh_get_error(rs_ssh_raw(s));
}
