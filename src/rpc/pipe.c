#include "rpc/pipe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "rpc/chain.h"
#include "wire/bytes.h"

enum {
    WINDOW = 1024 * 1024,        /* credit at the start, each way */
    WIDE = 4 * 1024 * 1024,      /* credit at most, of streams that carry files: more than SSH has under way */
    RENEW = 256 * 1024,          /* bytes that are taken before they are credited */
    ENOUGH = 16 * 1024,          /* bytes that are worth passing on unread */
    AT_ONCE = 4 * RS_LINK_PIECE, /* of those */
    UNCLAIMED = 4096,            /* streams that may have bytes before the message that names them has come */
    EARLY = 64 * 1024 * 1024,    /* bytes of all these together */
};

struct rs_pipe {
    rs_pipes *owner; /* NULL once the context is gone */
    rs_pipe *next;
    uint32_t id;
    rs_stream *stream; /* NULL before it is claimed, and once it is freed */
    rs_chain got;
    size_t credit; /* bytes that we may send */
    size_t window; /* bytes that the other side may send */
    size_t taken;  /* bytes that were read and not credited yet */
    size_t fresh;  /* bytes of the first window that were not read yet */
    bool unclaimed, in_ended, out_ended, stopped, want_in, want_out;
    bool passes, passing; /* its writer has passed bytes on unread; waits until it can again */
    int err;              /* how its input ended, if badly */
};

static rs_link *link_of(const rs_pipe *p)
{
    rs_link *k = p->owner ? p->owner->user->link : NULL;
    return k && !*rs_link_why(k) ? k : NULL;
}

static int send(rs_pipe *p, rs_lane lane, uint8_t type, const void *data, size_t n)
{
    rs_link *k = link_of(p);
    return k ? rs_link_send(k, lane, type, p->owner->user->context, p->id, data, n) : RS_ECLOSED;
}

/* ---- the table ---- */

static rs_pipe **bucket(rs_pipes *ps, uint32_t id)
{
    return &ps->buckets[(id >> 1) % RS_PIPE_BUCKETS];
}

static rs_pipe *find(rs_pipes *ps, uint32_t id)
{
    rs_pipe *p = *bucket(ps, id);
    while (p && p->id != id)
        p = p->next;
    return p;
}

static rs_pipe *add(rs_pipes *ps, uint32_t id)
{
    rs_pipe *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    rs_pipe **b = bucket(ps, id);
    *p = (rs_pipe){.owner = ps, .next = *b, .id = id, .credit = WINDOW, .window = WINDOW, .fresh = WINDOW};
    *b = p;
    return p;
}

static void leave(rs_pipe *p)
{
    if (!p->owner)
        return;
    for (rs_pipe **at = bucket(p->owner, p->id); *at; at = &(*at)->next) {
        if (*at != p)
            continue;
        *at = p->next;
        break;
    }
    p->owner = NULL;
}

static void destroy(rs_pipe *p)
{
    rs_chain_fini(&p->got);
    free(p);
}

/* ---- as a source of a stream ---- */

static bool readable(const rs_pipe *p)
{
    return p->got.len > 0 || p->in_ended || !link_of(p);
}

static bool writable(const rs_pipe *p)
{
    rs_link *k = link_of(p);
    if (!k || p->stopped)
        return true;
    if (p->passing && rs_link_passing(k, p->owner->user->context, p->id))
        return false;
    return p->credit > 0 && rs_link_room(k, RS_LANE_BULK);
}

static void tell(rs_pipe *p)
{
    bool in = p->want_in && readable(p), out = p->want_out && writable(p);
    if (p->stream && (in || out))
        rs_stream_ready(p->stream, in, out);
}

static void give_credit(rs_pipe *p, size_t n)
{
    char bytes[4];
    rs_put32(bytes, (uint32_t)n);
    p->window += n;
    (void)send(p, RS_LANE_URGENT, RS_FRAME_CREDIT, bytes, sizeof bytes);
}

static void widen(rs_pipe *p)
{
    if (!p->in_ended && p->window + p->taken + p->got.len <= WINDOW)
        give_credit(p, WIDE - WINDOW);
}

/* A reader that has taken a whole window carries much, and may have more under way. */
static void renew(rs_pipe *p, size_t n)
{
    bool was_fresh = p->fresh > 0;
    p->fresh -= n < p->fresh ? n : p->fresh;
    if (was_fresh && p->fresh == 0)
        widen(p);
    p->taken += n;
    if (p->taken < RENEW || p->in_ended)
        return;
    give_credit(p, p->taken);
    p->taken = 0;
}

static ssize_t source_read(void *source, char *to, size_t n)
{
    rs_pipe *p = source;
    if (p->got.len > 0) {
        n = rs_chain_read(&p->got, to, n);
        renew(p, n);
        return (ssize_t)n;
    }
    if (p->in_ended)
        return p->err;
    return link_of(p) ? -EAGAIN : RS_ECLOSED;
}

static bool source_take(void *source, rs_buf *to)
{
    rs_pipe *p = source;
    size_t before = p->got.len;
    if (!rs_chain_take(&p->got, to))
        return false;
    renew(p, before - p->got.len);
    return true;
}

/* At most n bytes that may be sent now, or an error. */
static ssize_t may_send(rs_pipe *p, size_t n)
{
    if (!link_of(p) || p->out_ended)
        return RS_ECLOSED;
    if (p->stopped)
        return -EPIPE;
    if (!writable(p))
        return -EAGAIN;
    return (ssize_t)(n < p->credit ? n : p->credit);
}

static ssize_t source_write(void *source, const char *from, size_t n)
{
    rs_pipe *p = source;
    p->passing = false;
    ssize_t may = may_send(p, n < RS_LINK_PIECE ? n : RS_LINK_PIECE);
    int err = may < 0 ? (int)may : send(p, RS_LANE_BULK, RS_FRAME_DATA, from, (size_t)may);
    if (err)
        return err;
    p->credit -= (size_t)may;
    return may;
}

/* Who has passed on some before waits for more to pass on, rather than to queue what has come. */
static ssize_t source_pass(void *source, rs_stream *from)
{
    rs_pipe *p = source;
    rs_link *k = link_of(p);
    p->passing = false;
    if (!k || !rs_link_passes(k, from))
        return -ENOSYS;
    size_t n = rs_stream_pending(from);
    bool enough = n >= ENOUGH;
    if (!enough && !p->passes)
        return -ENOSYS;
    p->passing = true;
    p->passes = true;
    ssize_t may = may_send(p, !enough ? 1 : n < AT_ONCE ? n : AT_ONCE);
    if (may > 0)
        may = enough ? rs_link_pass(k, RS_FRAME_DATA, p->owner->user->context, p->id, from, (size_t)may) : -ENOSYS;
    p->credit -= may > 0 ? (size_t)may : 0;
    return may;
}

static void source_want(void *source, bool in, bool out)
{
    rs_pipe *p = source;
    p->want_in = in;
    p->want_out = out;
    tell(p);
}

static int source_shutdown(void *source)
{
    rs_pipe *p = source;
    if (p->out_ended)
        return 0;
    p->out_ended = true;
    (void)send(p, RS_LANE_BULK, RS_FRAME_END, NULL, 0);
    return 0;
}

/* What still comes for it finds nobody. */
static void source_close(void *source)
{
    rs_pipe *p = source;
    source_shutdown(p);
    if (!p->in_ended)
        (void)send(p, RS_LANE_URGENT, RS_FRAME_STOP, NULL, 0);
    leave(p);
    destroy(p);
}

static const rs_stream_ops ops = {source_read,  source_write, source_want, source_shutdown,
                                  source_close, source_take,  source_pass};

static rs_stream *open_stream(rs_pipe *p)
{
    p->stream = rs_stream_new(&ops, p); /* without memory it is closed */
    return p->stream;
}

/* ---- frames ---- */

/* Where its bytes may go without waiting here for a reader. */
static rs_stream *sink_of(rs_pipe *p)
{
    return p->stream && p->got.len == 0 && !p->in_ended ? rs_stream_sink(p->stream) : NULL;
}

/* So many bytes went there. */
static void passed(rs_pipe *p, size_t n)
{
    rs_stream_took(p->stream, n);
    renew(p, n);
}

static int take_data(rs_pipe *p, const char *data, size_t n)
{
    if (p->in_ended || n > p->window)
        return RS_EPROTO;
    p->window -= n;
    if (p->unclaimed && (p->owner->early += n) > EARLY)
        return RS_EPROTO;
    rs_stream *to = link_of(p) && rs_link_unread(link_of(p)) ? sink_of(p) : NULL;
    ssize_t took = to ? rs_stream_write(to, data, n) : 0;
    if (took > 0)
        passed(p, (size_t)took);
    else
        took = 0; /* what is wrong there comes again, when its reader writes it */
    return rs_chain_add(&p->got, data + took, n - (size_t)took);
}

static int take_credit(rs_pipe *p, const char *data, size_t n)
{
    if (n != 4)
        return RS_EPROTO;
    size_t more = rs_get32(data);
    if (more > WIDE || p->credit + more > WIDE)
        return RS_EPROTO;
    p->credit += more;
    return 0;
}

/* The payload is empty, or the name of an error. */
static void take_end(rs_pipe *p, const char *data, size_t n)
{
    char name[32];
    p->in_ended = true;
    if (n == 0 || n >= sizeof name)
        return;
    memcpy(name, data, n);
    name[n] = '\0';
    int err = rs_err_from_name(name);
    p->err = err ? err : -EIO;
}

/* The other side numbers its streams in order, and may send bytes before the message that names one has come. */
static int expect_up_to(rs_pipes *ps, uint32_t id)
{
    while (ps->seen < id) {
        if (ps->unclaimed >= UNCLAIMED)
            return RS_EPROTO;
        rs_pipe *p = add(ps, ps->seen + 2);
        if (!p)
            return -ENOMEM;
        p->unclaimed = true;
        ps->unclaimed++;
        ps->seen += 2;
    }
    return 0;
}

static bool is_theirs(const rs_pipes *ps, uint32_t id)
{
    return (id & 1) == (ps->seen & 1);
}

int rs_pipes_frame(rs_pipes *ps, const rs_frame *f)
{
    int err = is_theirs(ps, f->id) ? expect_up_to(ps, f->id) : 0;
    rs_pipe *p = err ? NULL : find(ps, f->id);
    if (!p)
        return err;
    switch (f->type) {
    case RS_FRAME_DATA: err = take_data(p, f->payload, f->length); break;
    case RS_FRAME_CREDIT: err = take_credit(p, f->payload, f->length); break;
    case RS_FRAME_END: take_end(p, f->payload, f->length); break;
    default: p->stopped = true;
    }
    tell(p);
    return err;
}

rs_stream *rs_pipes_sink(rs_pipes *ps, const rs_frame *f)
{
    rs_pipe *p = f->type == RS_FRAME_DATA ? find(ps, f->id) : NULL;
    return p && f->length <= p->window ? sink_of(p) : NULL;
}

void rs_pipes_passed(rs_pipes *ps, uint32_t id, size_t n)
{
    rs_pipe *p = find(ps, id);
    p->window -= n;
    passed(p, n);
}

void rs_pipes_widen(rs_pipes *ps, uint32_t id)
{
    rs_pipe *p = find(ps, id);
    if (p)
        widen(p);
}

void rs_pipes_fail(rs_pipes *ps, uint32_t id, const char *name)
{
    rs_pipe *p = find(ps, id);
    if (!p || p->out_ended)
        return;
    p->out_ended = true;
    (void)send(p, RS_LANE_BULK, RS_FRAME_END, name, strlen(name));
}

void rs_pipes_tell(rs_pipes *ps)
{
    for (unsigned i = 0; i < RS_PIPE_BUCKETS; i++)
        for (rs_pipe *p = ps->buckets[(ps->turn + i) % RS_PIPE_BUCKETS], *next; p; p = next) {
            next = p->next; /* who is told may close its own */
            tell(p);
        }
    ps->turn++;
}

/* ---- life ---- */

void rs_pipes_init(rs_pipes *ps, rs_link_user *user, bool controller)
{
    *ps = (rs_pipes){.user = user, .next = controller ? 2 : 3, .seen = controller ? 1 : 0};
}

void rs_pipes_fini(rs_pipes *ps)
{
    for (int i = 0; i < RS_PIPE_BUCKETS; i++) {
        rs_pipe *p = ps->buckets[i], *next;
        ps->buckets[i] = NULL;
        for (; p; p = next) {
            next = p->next;
            p->owner = NULL;
            if (p->unclaimed)
                destroy(p);
            else
                tell(p);
        }
    }
}

rs_stream *rs_pipes_open(rs_pipes *ps, uint32_t *id)
{
    rs_pipe *p = add(ps, ps->next);
    if (!p)
        return NULL;
    *id = ps->next;
    ps->next += 2;
    return open_stream(p);
}

rs_stream *rs_pipes_claim(rs_pipes *ps, uint32_t id)
{
    if (!is_theirs(ps, id) || expect_up_to(ps, id))
        return NULL;
    rs_pipe *p = find(ps, id);
    if (!p || !p->unclaimed)
        return NULL;
    p->unclaimed = false;
    ps->unclaimed--;
    ps->early -= p->got.len;
    return open_stream(p);
}
