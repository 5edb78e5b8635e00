#include "loop/stream.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"

/* About a pipe's size on Linux; reading more at once gains nothing. Passed on in frames it fills two of them, and no third one
 * with a few bytes (rpc/pipe.c). */
enum { CHUNK = 2 * (32 * 1024 - 12) };

struct rs_stream {
    const rs_stream_ops *ops;
    void *source;
    rs_buf input;
    bool ended;
    bool drained; /* the last read got less than it asked for */
    int err;      /* a read failed for good */
    rs_wait *in, *out;
    rs_sink *sink; /* of who waits for input */
    bool *freed;   /* set when it is freed while it wakes somebody */
};

rs_stream *rs_stream_new(const rs_stream_ops *ops, void *source)
{
    rs_stream *s = calloc(1, sizeof *s);
    if (!s) {
        ops->close(source);
        return NULL;
    }
    s->ops = ops;
    s->source = source;
    rs_buf_init(&s->input, 0);
    return s;
}

static void wake(rs_wait **slot, int status)
{
    rs_wait *w = *slot;
    *slot = NULL;
    if (w)
        rs_wait_done(w, status);
}

static void wake_in(rs_stream *s, int status)
{
    s->sink = NULL;
    wake(&s->in, status);
}

void rs_stream_free(rs_stream *s)
{
    if (!s)
        return;
    wake_in(s, RS_ECLOSED);
    wake(&s->out, RS_ECLOSED);
    s->ops->close(s->source);
    rs_buf_fini(&s->input);
    if (s->freed)
        *s->freed = true;
    free(s);
}

void *rs_stream_source(rs_stream *s, const rs_stream_ops *ops)
{
    return s->ops == ops ? s->source : NULL;
}

static void tell(rs_stream *s)
{
    s->ops->want(s->source, s->in != NULL, s->out != NULL);
}

/* Waking may free the stream, and with it whoever waits for the other direction. The source goes on watching, since most who
 * are woken come back for more; it is told to stop when it has news for nobody. */
void rs_stream_ready(rs_stream *s, bool in, bool out)
{
    bool freed = false, *outer = s->freed;
    if (!(in && s->in) && !(out && s->out)) {
        tell(s);
        return;
    }
    s->freed = &freed; /* cppcheck-suppress autoVariables ; put back below */
    if (in)
        wake_in(s, 0);
    if (!freed && out)
        wake(&s->out, 0);
    if (!freed)
        s->freed = outer;
    else if (outer)
        *outer = true;
}

rs_buf *rs_stream_input(rs_stream *s)
{
    return &s->input;
}

/* One read of the source, of up to n bytes. */
static int read_once(rs_stream *s, size_t n)
{
    char *to;
    size_t room = rs_buf_room(&s->input);
    if (rs_buf_len(&s->input) == 0 && s->ops->take && s->ops->take(s->source, &s->input))
        return 0;
    if (n > room)
        n = room;
    if (n == 0)
        return RS_ELIMIT;
    int err = rs_buf_reserve(&s->input, n, &to);
    if (err)
        return err;
    ssize_t got = s->ops->read(s->source, to, n);
    s->drained = got < (ssize_t)n;
    if (got > 0) {
        rs_buf_commit(&s->input, (size_t)got);
        return 0;
    }
    if (got == 0)
        s->ended = true;
    else if (got != -EAGAIN)
        s->err = (int)got;
    return got == 0 ? RS_EEOF : (int)got;
}

/* Each read is of at least so many bytes. */
static int fill(rs_stream *s, size_t n, size_t least)
{
    while (rs_buf_len(&s->input) < n) {
        if (s->err)
            return s->err;
        if (s->ended)
            return RS_EEOF;
        size_t more = n - rs_buf_len(&s->input);
        int err = read_once(s, more < least ? least : more);
        if (err)
            return err;
    }
    return 0;
}

int rs_stream_fill(rs_stream *s, size_t n)
{
    return fill(s, n, CHUNK);
}

int rs_stream_fill_only(rs_stream *s, size_t n)
{
    return fill(s, n, 0);
}

bool rs_stream_drained(const rs_stream *s)
{
    return s->drained;
}

ssize_t rs_stream_write(rs_stream *s, const char *data, size_t n)
{
    size_t sent = 0;
    while (sent < n) {
        ssize_t took = s->ops->write(s->source, data + sent, n - sent);
        if (took == -EAGAIN)
            break;
        if (took < 0)
            return sent ? (ssize_t)sent : took;
        sent += (size_t)took;
    }
    return (ssize_t)sent;
}

ssize_t rs_stream_pass(rs_stream *from, rs_stream *to)
{
    return to->ops->pass && rs_buf_len(&from->input) == 0 ? to->ops->pass(to->source, from) : -ENOSYS;
}

int rs_stream_shutdown(rs_stream *s)
{
    return s->ops->shutdown(s->source);
}

static void abandon_in(rs_wait *w)
{
    rs_stream *s = w->op;
    s->in = NULL;
    s->sink = NULL;
    tell(s);
}

static void abandon_out(rs_wait *w)
{
    rs_stream *s = w->op;
    s->out = NULL;
    tell(s);
}

bool rs_stream_awaited_in(const rs_stream *s)
{
    return s->in != NULL;
}

int rs_stream_await_in(rs_stream *s, rs_wait *w)
{
    if (s->in)
        return RS_EUSAGE;
    rs_wait_init(w, abandon_in, s);
    s->in = w;
    tell(s);
    return 0;
}

int rs_stream_await_out(rs_stream *s, rs_wait *w)
{
    if (s->out)
        return RS_EUSAGE;
    rs_wait_init(w, abandon_out, s);
    s->out = w;
    tell(s);
    return 0;
}

void rs_stream_offer(rs_stream *s, rs_sink *k)
{
    if (s->in)
        s->sink = k;
}

rs_stream *rs_stream_sink(rs_stream *s)
{
    rs_stream *to = s->sink && rs_buf_len(&s->input) == 0 ? s->sink->to(s->sink) : NULL;
    return to && rs_stream_passable(to) ? to : NULL;
}

void rs_stream_took(rs_stream *s, size_t n)
{
    s->sink->took(s->sink, n);
}
