#include "rpc/link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/trip.h"
#include "loop/timer.h"
#include "wire/bytes.h"

enum {
    PIECE = 64 * 1024,          /* a message's frames are this long, so that others get their turn */
    ROOM_MESSAGE = 1024 * 1024, /* bytes; more waits at its sender */
    ROOM_BULK = 64 * 1024,
    MISSES = 3,
    LANES = 3,
    BUCKETS = 64,
    CONTEXTS = UINT16_MAX + 1,
    WORTH_PASSING = 4 * 1024, /* bytes; a frame of fewer is cheaper to read */
    PASSED_AT_ONCE = 8,       /* frames whose payload goes past us */
};

#define SEVERAL UINT64_MAX

struct rs_link {
    rs_loop *loop;
    rs_stream *in, *out; /* may be the same */
    rs_wait in_wait, out_wait;
    rs_buf lanes[LANES];
    rs_lane lane;      /* the one that a frame is being written of */
    size_t unfinished; /* bytes of that frame */
    rs_link_user *users[BUCKETS], *router;
    rs_link_user *told_next; /* while users are told something */
    size_t nusers;
    uint8_t *retired;    /* a bit for each context; NULL until there is one */
    rs_later later;      /* writing */
    uint64_t sole;       /* whose frames are queued as bulk, where they are one stream's */
    rs_stream *store[2]; /* the ends of a pipe, for payload that goes out unread; NULL until there is some */
    size_t piped;        /* bytes in there: what is left of the frame whose head was queued last */
    rs_frame latest;     /* that came, or has begun to, as long as it was; without its payload */
    bool shortened;      /* the beginning of its payload went on already */
    int paused;
    bool reading, writing, broken, crowded; /* crowded: somebody was told that there is no room */
    rs_timer tick;
    double keepalive;
    bool heard;
    int misses;
    char why[256];
};

/* ---- the end ---- */

static void stop_waiting(rs_link *k)
{
    rs_wait_abandon(&k->in_wait);
    rs_wait_abandon(&k->out_wait);
    k->reading = k->writing = false;
    rs_timer_stop(k->loop, &k->tick);
    rs_loop_not_later(&k->later);
}

/* Who is told may unlink itself, or others: a relay reads on, and a context behind it may have ended. */
static void tell_users(rs_link *k, bool broken)
{
    for (int i = 0; i < BUCKETS; i++) {
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
    for (int i = 0; i < LANES; i++)
        rs_buf_fini(&k->lanes[i]);
    k->piped = 0;
    tell_users(k, true);
}

static void break_with(rs_link *k, int err)
{
    rs_link_break(k, err == RS_EEOF ? "the other side has ended" : rs_err_text(err));
}

const char *rs_link_why(const rs_link *k)
{
    return k->why;
}

/* ---- writing ---- */

static size_t frame_size(const rs_buf *lane)
{
    return RS_FRAME_HEADER + rs_get32(rs_buf_data(lane));
}

/* Urgent frames first; messages and bulk in turns. */
static bool choose_lane(rs_link *k)
{
    static const rs_lane orders[LANES][LANES] = {
        [RS_LANE_URGENT] = {RS_LANE_URGENT, RS_LANE_MESSAGE, RS_LANE_BULK},
        [RS_LANE_MESSAGE] = {RS_LANE_URGENT, RS_LANE_BULK, RS_LANE_MESSAGE},
        [RS_LANE_BULK] = {RS_LANE_URGENT, RS_LANE_MESSAGE, RS_LANE_BULK},
    };
    const rs_lane *order = orders[k->lane];
    for (int i = 0; i < LANES; i++) {
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
    size_t n = k->piped ? k->unfinished : rs_buf_len(&k->lanes[k->lane]);
    for (int i = 0; i < LANES; i++)
        if (i != (int)k->lane && rs_buf_len(&k->lanes[i]) > 0)
            return k->unfinished;
    return n;
}

/* What was written ends within a frame: how much of that one is left. */
static void written(rs_link *k, size_t n)
{
    rs_buf *lane = &k->lanes[k->lane];
    while (n >= k->unfinished) {
        n -= k->unfinished;
        rs_buf_consume(lane, k->unfinished);
        k->unfinished = 0;
        if (n == 0)
            return;
        k->unfinished = frame_size(lane);
    }
    rs_buf_consume(lane, n);
    k->unfinished -= n;
}

/* False when the stream takes no more, or is broken. */
static bool write_some(rs_link *k)
{
    size_t n = together(k);
    ssize_t took = rs_stream_write(k->out, rs_buf_data(&k->lanes[k->lane]), n);
    if (took < 0) {
        break_with(k, (int)took);
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

/* The same, of a payload that is in a pipe; where it turns out that it can't leave that unread, it is read. */
static bool write_piped(rs_link *k)
{
    rs_buf *in = rs_stream_input(k->store[0]);
    ssize_t moved = rs_stream_splice(k->store[0], k->out, k->piped);
    if (moved < 0 && !rs_stream_splices(k->store[0], k->out)) {
        (void)rs_stream_fill(k->store[0], k->piped);
        moved = rs_stream_write(k->out, rs_buf_data(in), rs_buf_len(in));
        rs_buf_consume(in, moved > 0 ? (size_t)moved : 0);
    }
    if (moved < 0 && moved != -EAGAIN)
        break_with(k, (int)moved);
    k->piped -= moved > 0 ? (size_t)moved : 0;
    return k->piped == 0;
}

static void flush(rs_link *k)
{
    bool more = true;
    while (k->out && more && !k->broken && (k->unfinished || k->piped || choose_lane(k)))
        more = k->unfinished || !k->piped ? write_some(k) : write_piped(k);
    if (!more)
        await_room(k);
}

static void offer_room(rs_link *k)
{
    if (!k->crowded || k->broken || !rs_link_room(k, RS_LANE_BULK) || !rs_link_room(k, RS_LANE_MESSAGE))
        return;
    k->crowded = false;
    tell_users(k, false);
}

static void on_writable(rs_wait *w)
{
    rs_link *k = w->waiter;
    k->writing = false;
    if (w->status) {
        break_with(k, w->status);
        return;
    }
    flush(k);
    offer_room(k);
}

bool rs_link_room(const rs_link *k, rs_lane lane)
{
    static const size_t room[LANES] = {SIZE_MAX, ROOM_MESSAGE, ROOM_BULK};
    bool has = rs_buf_len(&k->lanes[lane]) < room[lane];
    if (!has)
        ((rs_link *)k)->crowded = true;
    return has || k->broken;
}

static void flush_later(rs_later *w)
{
    rs_link *k = (rs_link *)((char *)w - offsetof(rs_link, later));
    flush(k);
    offer_room(k);
}

void rs_link_flush(rs_link *k)
{
    flush(k);
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
            break_with(k, err);
            return err;
        }
        if (n > 0)
            f.payload += f.length;
    }
    rs_loop_later(k->loop, &k->later);
    return 0;
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

/* They go into a pipe first: how many that takes is known then, and stands in the head. */
ssize_t rs_link_pass(rs_link *k, uint8_t type, uint16_t context, uint32_t id, rs_stream *from, size_t n)
{
    rs_frame f = {.type = type, .context = context, .id = id};
    char *head;
    flush(k);
    if (rs_link_passing(k, context, id))
        return -EAGAIN;
    if (k->broken || queued(k, RS_LANE_BULK) || messages_queued(k) || !open_store(k))
        return -ENOSYS;
    if (rs_buf_reserve(&k->lanes[RS_LANE_BULK], RS_FRAME_HEADER, &head))
        return -ENOSYS;
    ssize_t moved = rs_stream_splice(from, k->store[1], n);
    if (moved <= 0)
        return -ENOSYS;
    f.length = (uint32_t)moved;
    rs_frame_put(head, &f);
    rs_buf_commit(&k->lanes[RS_LANE_BULK], RS_FRAME_HEADER);
    k->lane = RS_LANE_BULK;
    k->unfinished = RS_FRAME_HEADER;
    k->piped = (size_t)moved;
    rs_trip_frame(true, rs_frame_name(type), RS_FRAME_HEADER + (size_t)moved);
    flush(k);
    return moved;
}

int rs_link_forward(rs_link *k, const rs_frame *f)
{
    if (k->broken)
        return RS_ECLOSED;
    int err = add_frame(k, rs_link_lane(f->type), f);
    if (err)
        break_with(k, err);
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

/* ---- reading ---- */

static rs_link_user *user_of(const rs_link *k, uint16_t context)
{
    for (rs_link_user *u = k->users[context % BUCKETS]; u; u = u->next)
        if (u->context == context)
            return u;
    return NULL;
}

bool rs_link_has(const rs_link *k, uint16_t context)
{
    return user_of(k, context);
}

static uint8_t bit_of(uint16_t context)
{
    return (uint8_t)(1U << context % 8);
}

static bool is_retired(const rs_link *k, uint16_t context)
{
    return k->retired && k->retired[context / 8] & bit_of(context);
}

/* Who reads nothing gets no answers: they would pile up here. */
static void answer_ping(rs_link *k, const rs_frame *f)
{
    if (rs_buf_len(&k->lanes[RS_LANE_URGENT]) < ROOM_BULK)
        (void)rs_link_send(k, RS_LANE_URGENT, RS_FRAME_PONG, f->context, f->id, f->payload, f->length);
}

static void take_frame(rs_link *k, const rs_frame *f)
{
    rs_link_user *u = f->type == RS_FRAME_ROUTE ? k->router : user_of(k, f->context);
    if (f->type == RS_FRAME_PING)
        answer_ping(k, f);
    else if (f->type == RS_FRAME_PONG && u && u->pong)
        u->pong(u, f->id);
    else if (f->type == RS_FRAME_PONG) /* it has done its work by coming */
        return;
    else if (u)
        u->frame(u, f);
    else if (!is_retired(k, f->context))
        rs_link_break(k, "a frame came for a context that isn't there");
}

/* Takes the frames that are there. */
static void take_frames(rs_link *k)
{
    rs_buf *in = rs_stream_input(k->in);
    rs_frame f;
    int found = 0;
    while (!k->broken && !k->paused && (found = rs_frame_peek(in, &f)) > 0) {
        rs_trip_frame(false, rs_frame_name(f.type), RS_FRAME_HEADER + f.length);
        take_frame(k, &f);
        rs_frame_drop(in, &f);
        if (!k->shortened)
            k->latest = f;
        k->shortened = false;
    }
    if (found < 0) {
        char text[200];
        rs_frame_complain(in, text, sizeof text);
        rs_link_break(k, text);
    }
}

/* The frame that stands incomplete at the front of the input becomes one of so many bytes, none of which has been read. */
static void shorten(rs_link *k, rs_frame *f, size_t length)
{
    char head[RS_FRAME_HEADER];
    rs_buf *in = rs_stream_input(k->in);
    f->length = (uint32_t)length;
    rs_frame_put(head, f);
    rs_buf_clear(in);
    if (length > 0)
        (void)rs_buf_add(in, head, sizeof head); /* in memory that it has */
    k->shortened = length > 0;
}

/* Where so many bytes can go past us that belong to the latest frame, or to one like it, if that is worth it; or NULL. */
static rs_stream *sink(const rs_link *k, uint32_t length)
{
    rs_frame f = k->latest;
    rs_link_user *u = f.length >= WORTH_PASSING ? user_of(k, f.context) : NULL;
    f.length = length;
    rs_stream *to = u && u->sink ? u->sink(u, &f) : NULL;
    return to && rs_stream_splices(k->in, to) ? to : NULL;
}

/* Of the incomplete frame at the front of the input the beginning of the payload, if that was read, goes to its user. Gives where
 * the rest can go, or NULL. */
static rs_stream *begin_passing(rs_link *k, rs_frame *f)
{
    rs_buf *in = rs_stream_input(k->in);
    if (rs_buf_len(in) < RS_FRAME_HEADER || rs_frame_peek(in, f) != 0)
        return NULL;
    if (!k->shortened)
        k->latest = *f;
    size_t here = rs_buf_len(in) - RS_FRAME_HEADER, coming = f->length - here;
    if (here > 0 && sink(k, f->length)) {
        f->length = (uint32_t)here;
        take_frame(k, f);
        shorten(k, f, coming);
    }
    return k->broken ? NULL : sink(k, f->length);
}

/* Payload goes on to where it is wanted without being read here, as far as it has come and there is room. Whether that was all of
 * a frame's. */
static bool pass_payload(rs_link *k)
{
    rs_frame f;
    rs_stream *to = begin_passing(k, &f);
    ssize_t moved = to ? rs_stream_splice(k->in, to, f.length) : 0;
    if (moved <= 0)
        return false;
    k->heard = true;
    rs_trip_frame(false, rs_frame_name(f.type), RS_FRAME_HEADER + (size_t)moved);
    rs_link_user *u = user_of(k, f.context);
    u->passed(u, &f, (size_t)moved);
    shorten(k, &f, f.length - (size_t)moved);
    return f.length == 0;
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
    const rs_buf *in = rs_stream_input(k->in);
    bool begun = rs_buf_len(in) >= RS_FRAME_HEADER;
    uint32_t length = begun ? rs_get32(rs_buf_data(in)) : 0;
    int err = sink(k, length) ? rs_stream_fill_only(k->in, RS_FRAME_HEADER + length)
                              : rs_stream_fill(k->in, rs_buf_len(in) + 1);
    if (!err)
        k->heard = true;
    else if (err != -EAGAIN)
        break_with(k, err);
    return err;
}

static void read_on(rs_link *k)
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
        break_with(k, w->status);
    else
        read_on(k);
}

void rs_link_pause(rs_link *k, bool on)
{
    k->paused += on ? 1 : -1;
    if (!on && !k->paused)
        read_on(k);
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
    k->later.run = flush_later;
    for (int i = 0; i < LANES; i++)
        rs_buf_init(&k->lanes[i], 0);
    return k;
}

void rs_link_join(rs_link *k, rs_stream *in, rs_stream *out)
{
    if (out) {
        k->out = out;
        flush(k);
    }
    if (in) {
        k->in = in;
        k->heard = true;
        if (k->nusers > 0)
            read_on(k);
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
    flush(k);
    rs_link_break(k, "closed");
    for (int i = 0; i < BUCKETS; i++)
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
    rs_link_user **bucket = &k->users[context % BUCKETS];
    u->link = k;
    u->context = context;
    u->next = *bucket;
    *bucket = u;
    if (k->retired)
        k->retired[context / 8] &= (uint8_t)~bit_of(context);
    if (k->nusers++ == 0)
        read_on(k);
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
    for (rs_link_user **p = &k->users[u->context % BUCKETS]; *p; p = &(*p)->next) {
        if (*p != u)
            continue;
        *p = u->next;
        return;
    }
}

void rs_link_retire(rs_link *k, uint16_t context)
{
    rs_link_user *u = user_of(k, context);
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
