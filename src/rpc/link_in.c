/* Of a link, what comes in: frames, and payload that goes past us. */
#include <errno.h>

#include "base/err.h"
#include "base/trip.h"
#include "rpc/link_state.h"
#include "wire/bytes.h"

enum {
    WORTH_PASSING = 4 * 1024, /* bytes; a frame of fewer is cheaper to read */
    PASSED_AT_ONCE = 8,       /* frames whose payload goes past us */
    ROOM_PONG = 64 * 1024,    /* bytes of answers that nobody has read */
};

/* Who reads nothing gets no answers: they would pile up here. */
static void answer_ping(rs_link *k, const rs_frame *f)
{
    if (rs_buf_len(&k->lanes[RS_LANE_URGENT]) < ROOM_PONG)
        (void)rs_link_send(k, RS_LANE_URGENT, RS_FRAME_PONG, f->context, f->id, f->payload, f->length);
}

static void take_frame(rs_link *k, const rs_frame *f)
{
    rs_link_user *u = f->type == RS_FRAME_ROUTE ? k->router : rs_link_user_of(k, f->context);
    if (f->type == RS_FRAME_PING)
        answer_ping(k, f);
    else if (f->type == RS_FRAME_PONG && u && u->pong)
        u->pong(u, f->id);
    else if (f->type == RS_FRAME_PONG) /* it has done its work by coming */
        return;
    else if (u)
        u->frame(u, f);
    else if (!rs_link_is_retired(k, f->context))
        rs_link_break(k, "a frame came for a context that isn't there");
}

/* Of the frame that has begun to come, the payload that is there. */
static void take_rest(rs_link *k)
{
    rs_buf *in = rs_stream_input(k->in);
    rs_frame f = k->begun;
    if (f.length > rs_buf_len(in))
        f.length = (uint32_t)rs_buf_len(in);
    if (f.length == 0)
        return;
    f.payload = rs_buf_data(in);
    k->begun.length -= f.length;
    take_frame(k, &f);
    rs_buf_consume(in, f.length);
}

/* Where so many bytes can go past us that belong to the latest frame, or to one like it, if that is worth it; or NULL. */
static rs_stream *sink(const rs_link *k, uint32_t length)
{
    rs_frame f = k->latest;
    rs_link_user *u = f.length >= WORTH_PASSING ? rs_link_user_of(k, f.context) : NULL;
    f.length = length;
    rs_stream *to = u && u->sink ? u->sink(u, &f) : NULL;
    return to && rs_stream_splices(k->in, to) ? to : NULL;
}

/* Whether what is there of a frame's payload may go to its user alone: a stream doesn't mind. */
static bool divisible(const rs_link *k, const rs_frame *f, size_t here)
{
    rs_link_user *u = f->type == RS_FRAME_DATA && here >= WORTH_PASSING ? rs_link_user_of(k, f->context) : NULL;
    return u && u->sink;
}

/* An incomplete frame at the front of the input may begin already: the rest of its payload goes past us, or at least what is
 * read behind it needn't be moved to stand behind what is here. */
static void begin_frame(rs_link *k)
{
    rs_buf *in = rs_stream_input(k->in);
    rs_frame f;
    if (k->begun.length > 0 || rs_buf_len(in) < RS_FRAME_HEADER || rs_frame_peek(in, &f) != 0)
        return;
    k->latest = f;
    if (!sink(k, f.length) && !divisible(k, &f, rs_buf_len(in) - RS_FRAME_HEADER))
        return;
    rs_trip_frame(false, rs_frame_name(f.type), RS_FRAME_HEADER + f.length);
    k->begun = f;
    rs_buf_consume(in, RS_FRAME_HEADER);
    take_rest(k);
}

/* Takes the frames that are there. */
static void take_frames(rs_link *k)
{
    rs_buf *in = rs_stream_input(k->in);
    rs_frame f;
    int found = 0;
    take_rest(k);
    while (!k->broken && !k->paused && k->begun.length == 0 && (found = rs_frame_peek(in, &f)) > 0) {
        rs_trip_frame(false, rs_frame_name(f.type), RS_FRAME_HEADER + f.length);
        take_frame(k, &f);
        rs_frame_drop(in, &f);
        k->latest = f;
    }
    if (found == 0 && !k->broken && !k->paused)
        begin_frame(k);
    if (found < 0) {
        char text[200];
        rs_frame_complain(in, text, sizeof text);
        rs_link_break(k, text);
    }
}

/* Payload goes on to where it is wanted without being read here, as far as it has come and there is room. Whether that was all of
 * a frame's. */
static bool pass_payload(rs_link *k)
{
    rs_stream *to = k->begun.length > 0 ? sink(k, k->begun.length) : NULL;
    ssize_t moved = to ? rs_stream_splice(k->in, to, k->begun.length) : 0;
    if (moved <= 0)
        return false;
    if (!k->heard_bulk)
        rs_stream_widen(k->in);
    k->heard = k->heard_bulk = true;
    rs_link_user *u = rs_link_user_of(k, k->begun.context);
    k->begun.length -= (uint32_t)moved;
    u->passed(u, &k->begun, (size_t)moved);
    return k->begun.length == 0;
}

static void on_readable(rs_wait *w);

static void await_frames(rs_link *k)
{
    if (!k->in || k->broken || k->paused || k->reading)
        return;
    k->reading = true;
    if (rs_stream_await_in(k->in, &k->in_wait)) {
        rs_link_break(k, "somebody else reads from its stream");
        return;
    }
    k->in_wait.wake = on_readable;
    k->in_wait.waiter = k;
    if (k->in_wait.done) /* it had become readable before there was a waker */
        on_readable(&k->in_wait);
}

/* While payload can go past us nothing is read but heads, and what couldn't go of a frame that has begun. */
static int read_some(rs_link *k)
{
    size_t here = rs_buf_len(rs_stream_input(k->in)), begun = k->begun.length;
    int err = sink(k, k->begun.length) ? rs_stream_fill_only(k->in, begun ? begun : RS_FRAME_HEADER)
                                       : rs_stream_fill(k->in, here + 1);
    if (!err)
        k->heard = true;
    else if (err != -EAGAIN)
        rs_link_break_with(k, err);
    return err;
}

void rs_link_read_on(rs_link *k)
{
    int passed = 0; /* others get their turn, and the credit for what went past us is sent */
    for (bool drained = false; k->in && !k->broken && !k->paused; drained = rs_stream_drained(k->in)) {
        take_frames(k);
        if (drained || passed == PASSED_AT_ONCE || k->broken || k->paused)
            break;
        passed += pass_payload(k);
        if (k->broken || k->paused || read_some(k))
            break;
    }
    await_frames(k);
}

static void on_readable(rs_wait *w)
{
    rs_link *k = w->waiter;
    k->reading = false;
    if (w->status)
        rs_link_break_with(k, w->status);
    else
        rs_link_read_on(k);
}

void rs_link_pause(rs_link *k, bool on)
{
    k->paused += on ? 1 : -1;
    if (!on && !k->paused)
        rs_link_read_on(k);
}
