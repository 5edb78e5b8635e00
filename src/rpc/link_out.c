/* Of a link, what goes out: frames in lanes, and payload that goes past us. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/trip.h"
#include "rpc/link_state.h"
#include "wire/bytes.h"

enum {
    PIECE = 64 * 1024,          /* a message's frames are this long, so that others get their turn */
    ROOM_MESSAGE = 1024 * 1024, /* bytes; more waits at its sender */
    ROOM_BULK = 64 * 1024,
    KEPT = 4 * ROOM_MESSAGE, /* of a lane's memory, when nothing is in it */
};

#define SEVERAL UINT64_MAX

/* ---- writing ---- */

static size_t frame_size(const rs_buf *lane)
{
    return RS_FRAME_HEADER + rs_get32(rs_buf_data(lane));
}

/* Urgent frames first; messages and bulk in turns. */
static bool choose_lane(rs_link *k)
{
    static const rs_lane orders[RS_LINK_LANES][RS_LINK_LANES] = {
        [RS_LANE_URGENT] = {RS_LANE_URGENT, RS_LANE_MESSAGE, RS_LANE_BULK},
        [RS_LANE_MESSAGE] = {RS_LANE_URGENT, RS_LANE_BULK, RS_LANE_MESSAGE},
        [RS_LANE_BULK] = {RS_LANE_URGENT, RS_LANE_MESSAGE, RS_LANE_BULK},
    };
    const rs_lane *order = orders[k->lane];
    for (int i = 0; i < RS_LINK_LANES; i++) {
        if (rs_buf_len(&k->lanes[order[i]]) == 0)
            continue;
        k->lane = order[i];
        k->unfinished = frame_size(&k->lanes[k->lane]);
        return true;
    }
    return false;
}

/* Where one lane alone has something, all of it goes at once. */
static size_t together(const rs_link *k)
{
    size_t n = rs_buf_len(&k->lanes[k->lane]);
    for (int i = 0; i < RS_LINK_LANES; i++)
        if (i != (int)k->lane && rs_buf_len(&k->lanes[i]) > 0)
            return k->unfinished;
    return n;
}

/* What a big message took is given back once it is gone. */
static void consume(rs_buf *lane, size_t n)
{
    rs_buf_consume(lane, n);
    if (rs_buf_len(lane) == 0 && lane->cap > KEPT)
        rs_buf_fini(lane);
}

/* What was written ends within a frame: how much of that one is left. */
static void written(rs_link *k, size_t n)
{
    rs_buf *lane = &k->lanes[k->lane];
    while (n >= k->unfinished) {
        n -= k->unfinished;
        consume(lane, k->unfinished);
        k->unfinished = 0;
        if (n == 0)
            return;
        k->unfinished = frame_size(lane);
    }
    consume(lane, n);
    k->unfinished -= n;
}

/* False when the stream takes no more, or is broken. */
static bool write_some(rs_link *k)
{
    size_t n = together(k);
    ssize_t took = rs_stream_write(k->out, rs_buf_data(&k->lanes[k->lane]), n);
    if (took < 0) {
        rs_link_break_with(k, (int)took);
        return false;
    }
    written(k, (size_t)took);
    return (size_t)took == n;
}

static void on_writable(rs_wait *w);

/* The stream takes no more for now. */
static void await_room(rs_link *k)
{
    if (k->broken || k->writing)
        return;
    k->writing = true;
    rs_wait_abandon(&k->out_wait);
    if (rs_stream_await_out(k->out, &k->out_wait)) {
        rs_link_break(k, "somebody else writes to its stream");
        return;
    }
    k->out_wait.wake = on_writable;
    k->out_wait.waiter = k;
    if (k->out_wait.done) /* it had become writable before there was a waker */
        on_writable(&k->out_wait);
}

/* The same, of frames that are in a pipe; where it turns out that they can't leave it unread, they are read. */
static bool write_piped(rs_link *k)
{
    rs_buf *in = rs_stream_input(k->store[0]);
    bool unread = rs_buf_len(in) == 0;
    ssize_t moved = unread ? rs_stream_splice(k->store[0], k->out, k->piped) : 0;
    if (!unread || (moved < 0 && !rs_stream_splices(k->store[0], k->out))) {
        (void)rs_stream_fill(k->store[0], k->piped);
        moved = rs_stream_write(k->out, rs_buf_data(in), rs_buf_len(in));
        rs_buf_consume(in, moved > 0 ? (size_t)moved : 0);
    }
    if (moved < 0 && moved != -EAGAIN)
        rs_link_break_with(k, (int)moved);
    k->piped -= moved > 0 ? (size_t)moved : 0;
    return k->piped == 0;
}

void rs_link_flush(rs_link *k)
{
    bool more = true;
    while (k->out && more && !k->broken && (k->piped || k->unfinished || choose_lane(k)))
        more = k->piped ? write_piped(k) : write_some(k);
    if (!more)
        await_room(k);
}

static void offer_room(rs_link *k)
{
    if (!k->crowded || k->broken || !rs_link_room(k, RS_LANE_BULK) || !rs_link_room(k, RS_LANE_MESSAGE))
        return;
    k->crowded = false;
    rs_link_tell_users(k, false);
}

static void on_writable(rs_wait *w)
{
    rs_link *k = w->waiter;
    k->writing = false;
    if (w->status) {
        rs_link_break_with(k, w->status);
        return;
    }
    rs_link_flush(k);
    offer_room(k);
}

bool rs_link_room(const rs_link *k, rs_lane lane)
{
    static const size_t room[RS_LINK_LANES] = {SIZE_MAX, ROOM_MESSAGE, ROOM_BULK};
    bool has = rs_buf_len(&k->lanes[lane]) < room[lane];
    if (!has)
        ((rs_link *)k)->crowded = true;
    return has || k->broken;
}

void rs_link_flush_later(rs_later *w)
{
    rs_link *k = (rs_link *)((char *)w - offsetof(rs_link, later));
    rs_link_flush(k);
    offer_room(k);
}

static uint64_t sender(uint16_t context, uint32_t id)
{
    return (uint64_t)context << 32 | id;
}

static void note_sender(rs_link *k, const rs_frame *f)
{
    uint64_t who = sender(f->context, f->id);
    if (rs_buf_len(&k->lanes[RS_LANE_BULK]) == 0)
        k->sole = who;
    else if (k->sole != who)
        k->sole = SEVERAL;
}

static int add_frame(rs_link *k, rs_lane which, const rs_frame *f)
{
    rs_buf *lane = &k->lanes[which];
    if (which == RS_LANE_BULK)
        note_sender(k, f);
    char *to;
    int err = rs_buf_reserve(lane, RS_FRAME_HEADER + f->length, &to);
    if (err)
        return err;
    rs_frame_put(to, f);
    if (f->length)
        memcpy(to + RS_FRAME_HEADER, f->payload, f->length);
    rs_buf_commit(lane, RS_FRAME_HEADER + f->length);
    rs_trip_frame(true, rs_frame_name(f->type), RS_FRAME_HEADER + f->length);
    return 0;
}

/* For all its frames at once; where that fails, the frame that there is no memory for will. */
static void make_room(rs_buf *lane, size_t n)
{
    char *to;
    (void)rs_buf_reserve(lane, n + (n / PIECE + 1) * RS_FRAME_HEADER, &to);
}

int rs_link_send(rs_link *k, rs_lane lane, uint8_t type, uint16_t context, uint32_t id, const void *data, size_t n)
{
    rs_frame f = {.type = type, .context = context, .id = id, .payload = data};
    if (k->broken)
        return RS_ECLOSED;
    make_room(&k->lanes[lane], n);
    for (f.flags = RS_FRAME_MORE; f.flags;) {
        f.length = n < PIECE ? (uint32_t)n : PIECE;
        n -= f.length;
        f.flags = n > 0 ? RS_FRAME_MORE : 0;
        int err = add_frame(k, lane, &f);
        if (err) { /* half a message can't be taken back */
            rs_link_break_with(k, err);
            return err;
        }
        if (n > 0)
            f.payload += f.length;
    }
    rs_loop_later(k->loop, &k->later);
    return 0;
}

/* ---- frames of others ---- */

int rs_link_forward(rs_link *k, const rs_frame *f)
{
    if (k->broken)
        return RS_ECLOSED;
    int err = add_frame(k, rs_link_lane(f->type), f);
    if (err)
        rs_link_break_with(k, err);
    else
        rs_loop_later(k->loop, &k->later);
    return err;
}

rs_lane rs_link_lane(uint8_t type)
{
    switch (type) {
    case RS_FRAME_DATA:
    case RS_FRAME_END: return RS_LANE_BULK;
    case RS_FRAME_CANCEL:
    case RS_FRAME_CREDIT:
    case RS_FRAME_STOP:
    case RS_FRAME_PING:
    case RS_FRAME_PONG:
    case RS_FRAME_ROUTE: /* nothing of its context may be there before it */ return RS_LANE_URGENT;
    default: return RS_LANE_MESSAGE;
    }
}

/* ---- payload that goes past us, out ---- */

bool rs_link_unread(const rs_link *k)
{
    return k->in && rs_stream_passable(k->in);
}

static bool queued(const rs_link *k, rs_lane lane)
{
    return rs_buf_len(&k->lanes[lane]) > 0;
}

static bool messages_queued(const rs_link *k)
{
    return queued(k, RS_LANE_URGENT) || queued(k, RS_LANE_MESSAGE);
}

/* Who waited for others, too, would never have its turn where they always have something queued. */
bool rs_link_passing(const rs_link *k, uint16_t context, uint32_t id)
{
    bool own = queued(k, RS_LANE_BULK) && k->sole == sender(context, id) && !messages_queued(k);
    if (k->piped || own)
        ((rs_link *)k)->crowded = true;
    return k->piped || own;
}

/* A pipe of our own, whose bytes nobody else can take. */
static bool open_store(rs_link *k)
{
    int ends[2];
    if (k->store[0])
        return true;
    if (pipe2(ends, O_CLOEXEC))
        return false;
    if (rs_stream_open_fd(k->loop, ends[0], false, &k->store[0]) == 0 &&
        rs_stream_open_fd(k->loop, ends[1], false, &k->store[1]) == 0) {
        rs_stream_widen(k->store[1]);
        rs_stream_widen(k->out);
        return true;
    }
    if (!k->store[0])
        close(ends[1]);
    rs_stream_free(k->store[0]);
    k->store[0] = NULL;
    return false;
}

bool rs_link_passes(rs_link *k, rs_stream *from)
{
    return !k->broken && k->out && rs_stream_splices(from, k->out);
}

/* What there is of a frame in our pipe has become all of it: its head is corrected, for which the pipe is read. */
static void cut_frame(rs_link *k, rs_frame *f, size_t length)
{
    char head[RS_FRAME_HEADER];
    size_t before = k->piped;
    k->piped += RS_FRAME_HEADER + length;
    f->length = (uint32_t)length;
    rs_frame_put(head, f);
    int err = rs_stream_fill(k->store[0], k->piped);
    if (err)
        rs_link_break_with(k, err);
    else
        rs_buf_replace(rs_stream_input(k->store[0]), before, head, sizeof head);
}

/* Adds a frame to our pipe, of bytes that stand ready. False where not all of them could be taken: it is shorter then. */
static bool store_frame(rs_link *k, rs_frame *f, rs_stream *from)
{
    char head[RS_FRAME_HEADER];
    size_t got = 0, n = f->length;
    ssize_t some;
    rs_frame_put(head, f);
    if (rs_stream_write(k->store[1], head, sizeof head) <= 0) { /* a pipe takes so few as a whole */
        f->length = 0;
        return false;
    }
    while (got < n && (some = rs_stream_splice(from, k->store[1], n - got)) > 0)
        got += (size_t)some;
    if (got < n)
        cut_frame(k, f, got);
    else
        k->piped += sizeof head + n;
    rs_trip_frame(true, rs_frame_name(f->type), sizeof head + got);
    return got == n;
}

/* Whole frames are put together in a pipe and leave it at once: who reads them is woken once for several. */
ssize_t rs_link_pass(rs_link *k, uint8_t type, uint16_t context, uint32_t id, rs_stream *from, size_t n)
{
    rs_frame f = {.type = type, .context = context, .id = id};
    size_t passed = 0;
    bool more = true;
    rs_link_flush(k);
    if (rs_link_passing(k, context, id))
        return -EAGAIN;
    if (k->broken || queued(k, RS_LANE_BULK) || messages_queued(k) || !open_store(k))
        return -ENOSYS;
    for (; more && passed < n; passed += f.length) {
        size_t rest = n - passed;
        f.length = rest < RS_LINK_PIECE ? (uint32_t)rest : RS_LINK_PIECE;
        more = store_frame(k, &f, from);
    }
    rs_link_flush(k);
    return passed > 0 ? (ssize_t)passed : -ENOSYS;
}
