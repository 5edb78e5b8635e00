/* Links, ports and their streams between two ends in one process, through a relay or without one, over a transport that gives
 * and takes as few bytes at a time as it likes, and in any order. Each seed is one schedule: whoever could go on, one of them
 * does. Where nobody can although not all has come, something was forgotten. */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/err.h"
#include "loop/loop.h"
#include "loop/stream.h"
#include "rpc/port.h"
#include "rpc/relay.h"

enum {
    CONTEXT = 7, /* of the far end, where there is a relay */
    MESSAGES = 40,
    CANCELLED = 10, /* each of so many messages is followed by a cancel */
    LONGEST = 900000,
    SEEDS = 80,
    STREAMS = 3, /* that each side opens */
    SIDES = 2,
    ACTORS = SIDES * (2 + 2 * 2 * STREAMS),
};

typedef struct world world;

/* ---- the transport ---- */

typedef struct wire {
    rs_buf bytes; /* under way */
    size_t room;  /* for so many */
    bool ended;
} wire;

/* One end of a pair of wires: the source of a stream. */
typedef struct end {
    world *w;
    rs_stream *s; /* NULL once closed */
    wire *in, *out;
    bool want_in, want_out;
} end;

typedef struct actor actor;

typedef struct side {
    world *w;
    rs_link *link; /* NULL before its process is there */
    rs_port *port;
    unsigned sent, got;       /* messages */
    unsigned cancels;         /* that have come */
    unsigned opened, claimed; /* streams */
} side;

struct world {
    uint64_t seed;
    rs_loop *loop;
    size_t quantum; /* bytes at most that move at once */
    size_t longest; /* message */
    size_t volume;  /* of a stream at most */
    bool lazy;      /* what has come is taken late */
    wire wires[4];
    end ends[4];
    size_t nends;
    rs_relay *relay; /* NULL for none */
    rs_link *up;     /* its link to the near side, over which it has a port of its own */
    rs_port *own;
    bool cut;
    side sides[SIDES];
    actor *actors[ACTORS];
    size_t nactors;
};

static size_t any(world *w, size_t n)
{
    return n ? (size_t)(unit_random(&w->seed) >> 16) % n : 0;
}

static size_t at_once(world *w, size_t n)
{
    size_t most = 1 + any(w, w->quantum);
    return n < most ? n : most;
}

static ssize_t end_read(void *source, char *to, size_t n)
{
    end *e = source;
    size_t len = rs_buf_len(&e->in->bytes);
    if (len == 0)
        return e->in->ended ? 0 : -EAGAIN;
    if (any(e->w, 8) == 0)
        return -EAGAIN;
    n = at_once(e->w, n < len ? n : len);
    memcpy(to, rs_buf_data(&e->in->bytes), n);
    rs_buf_consume(&e->in->bytes, n);
    return (ssize_t)n;
}

static ssize_t end_write(void *source, const char *from, size_t n)
{
    end *e = source;
    size_t len = rs_buf_len(&e->out->bytes);
    if (e->out->ended)
        return -EPIPE;
    if (len >= e->out->room || any(e->w, 8) == 0)
        return -EAGAIN;
    n = at_once(e->w, n < e->out->room - len ? n : e->out->room - len);
    assert_int_equal(rs_buf_add(&e->out->bytes, from, n), 0);
    return (ssize_t)n;
}

static void end_want(void *source, bool in, bool out)
{
    end *e = source;
    e->want_in = in;
    e->want_out = out;
}

static int end_shutdown(void *source)
{
    end *e = source;
    e->out->ended = true;
    return 0;
}

static void end_close(void *source)
{
    end *e = source;
    e->out->ended = true;
    e->in->ended = true;
    *e = (end){.w = e->w};
}

static const rs_stream_ops end_ops = {end_read, end_write, end_want, end_shutdown, end_close, NULL, NULL};

static rs_stream *open_end(world *w, wire *in, wire *out)
{
    end *e = &w->ends[w->nends++];
    *e = (end){.w = w, .in = in, .out = out};
    e->s = rs_stream_new(&end_ops, e);
    return e->s;
}

static bool in_ready(const end *e)
{
    return e->s && e->want_in && (rs_buf_len(&e->in->bytes) > 0 || e->in->ended);
}

static bool out_ready(const end *e)
{
    return e->s && e->want_out && (rs_buf_len(&e->out->bytes) < e->out->room || e->out->ended);
}

/* ---- who uses it ---- */

struct actor {
    side *at;
    void (*step)(actor *a);
    rs_stream *s;
    actor *twin; /* the other one at this stream */
    uint32_t id;
    size_t pos, total;
    rs_wait wait;
    bool waits, over;
};

static actor *add_actor(side *at, void (*step)(actor *))
{
    world *w = at->w;
    actor *a = calloc(1, sizeof *a);
    assert_non_null(a);
    assert_true(w->nactors < ACTORS);
    *a = (actor){.at = at, .step = step};
    w->actors[w->nactors++] = a;
    return a;
}

static bool can_go_on(const actor *a)
{
    return !a->over && (!a->waits || a->wait.done);
}

/* What is over before its time is so since the wires were cut. */
static void check_end(const actor *a, int err)
{
    if (!a->at->w->cut)
        fail_msg("over too early: %s", rs_err_text(err));
}

/* ---- streams ---- */

static char byte_at(uint32_t id, size_t pos)
{
    return (char)(id * 7 + pos * 31 + (pos >> 8));
}

static void leave_stream(actor *a)
{
    a->over = true;
    if (a->twin->over)
        rs_stream_free(a->s);
}

static void write_step(actor *a)
{
    char piece[20000];
    size_t n = 1 + any(a->at->w, sizeof piece);
    n = n < a->total - a->pos ? n : a->total - a->pos;
    for (size_t i = 0; i < n; i++)
        piece[i] = byte_at(a->id, a->pos + i);
    ssize_t put = n ? rs_stream_write(a->s, piece, n) : 0;
    if (put < 0)
        check_end(a, (int)put);
    a->pos += put > 0 ? (size_t)put : 0;
    a->waits = put == 0 && n > 0;
    if (a->waits) {
        assert_int_equal(rs_stream_await_out(a->s, &a->wait), 0);
    } else if (put < 0 || a->pos == a->total) {
        (void)rs_stream_shutdown(a->s);
        leave_stream(a);
    }
}

static void take_bytes(actor *a, size_t n)
{
    rs_buf *in = rs_stream_input(a->s);
    const char *data = rs_buf_data(in);
    for (size_t i = 0; i < n; i++)
        if (data[i] != byte_at(a->id, a->pos + i))
            fail_msg("another byte at %zu", a->pos + i);
    a->pos += n;
    rs_buf_consume(in, n);
}

static void read_step(actor *a)
{
    rs_buf *in = rs_stream_input(a->s);
    a->waits = false;
    if (a->at->w->lazy && any(a->at->w, 20))
        return;
    int err = rs_stream_fill(a->s, rs_buf_len(in) + 1 + any(a->at->w, 30000));
    bool all = any(a->at->w, 2);
    take_bytes(a, all ? rs_buf_len(in) : any(a->at->w, rs_buf_len(in) + 1));
    a->waits = err == -EAGAIN;
    if (a->waits) {
        assert_int_equal(rs_stream_await_in(a->s, &a->wait), 0);
    } else if (err && rs_buf_len(in) == 0) {
        if (err == RS_EEOF)
            assert_int_equal(a->pos, a->total);
        else
            check_end(a, err);
        leave_stream(a);
    }
}

/* Both sides know by its number how much goes either way. */
static size_t volume_of(const world *w, uint32_t id, bool outward)
{
    return (id * 2654435761U + outward * 40503U) % (w->volume + 1);
}

static void use_stream(side *at, rs_stream *s, uint32_t id, bool ours)
{
    actor *writer = add_actor(at, write_step), *reader = add_actor(at, read_step);
    assert_non_null(s);
    writer->s = reader->s = s;
    writer->twin = reader;
    reader->twin = writer;
    writer->id = id + ours;
    reader->id = id + !ours;
    writer->total = volume_of(at->w, id, ours);
    reader->total = volume_of(at->w, id, !ours);
}

/* ---- messages ---- */

/* Its length is random, all else tells its number. */
static size_t make_message(world *w, char *to, unsigned number)
{
    size_t n = w->lazy || any(w, 4) == 0 ? any(w, w->longest) : any(w, 200);
    for (size_t i = 0; i < n; i++)
        to[i] = byte_at(number, n - i);
    return n;
}

static void send_stream(side *at)
{
    uint32_t id;
    rs_stream *s = rs_port_open(at->port, &id);
    at->opened++;
    (void)rs_port_send(at->port, RS_FRAME_EVENT, id, NULL, 0);
    use_stream(at, s, id, true);
}

/* Some are cut in parts, none of which is empty but the last. */
static int send_text(side *at, const char *text, size_t n)
{
    struct iovec parts[5];
    int last = 0;
    for (; last < 4 && n > 0 && any(at->w, 2) == 0; last++) {
        size_t len = 1 + any(at->w, n);
        parts[last] = (struct iovec){(char *)text, len};
        text += len;
        n -= len;
    }
    parts[last] = (struct iovec){(char *)text, n};
    return rs_port_send_parts(at->port, RS_FRAME_CALL, at->sent, parts, last + 1);
}

static int send_message(side *at)
{
    static char text[LONGEST];
    size_t n = make_message(at->w, text, at->sent);
    int err = send_text(at, text, n);
    if (!err && at->sent % CANCELLED == 0)
        err = rs_port_send(at->port, RS_FRAME_CANCEL, at->sent, NULL, 0);
    at->sent++;
    return err;
}

static void send_step(actor *a)
{
    side *at = a->at;
    a->waits = !rs_port_room(at->port);
    if (a->waits) {
        rs_port_await_room(at->port, &a->wait);
        return;
    }
    int err = 0;
    if (at->opened < STREAMS && (at->sent == MESSAGES || any(at->w, 4) == 0))
        send_stream(at);
    else
        err = send_message(at);
    if (err)
        check_end(a, err);
    a->over = err || (at->sent == MESSAGES && at->opened == STREAMS);
}

/* Cancels come before what was sent earlier, the last one first; all else in its order. */
static void check_message(side *at, const rs_message *m)
{
    if (m->type == RS_FRAME_CANCEL) {
        at->cancels++;
        return;
    }
    assert_int_equal(m->type, RS_FRAME_CALL);
    assert_int_equal(m->id, at->got);
    at->got++;
    for (size_t i = 0; i < m->len; i++)
        if (m->data[i] != byte_at(m->id, m->len - i))
            fail_msg("another byte in message %u", m->id);
}

static bool has_all(const side *at)
{
    return at->got == MESSAGES && at->cancels == MESSAGES / CANCELLED && at->claimed == STREAMS;
}

static void await_message(actor *a)
{
    rs_port *p = a->at->port;
    if (*rs_port_why(p)) {
        check_end(a, RS_ECLOSED);
        a->over = true;
        return;
    }
    a->waits = true;
    assert_int_equal(rs_port_await(p, &a->wait), 0);
}

static void take_step(actor *a)
{
    side *at = a->at;
    a->waits = false;
    if (at->w->lazy && rs_port_pending(at->port) && any(at->w, 200))
        return;
    rs_message *m = rs_port_take(at->port);
    if (!m) {
        await_message(a);
    } else if (m->type == RS_FRAME_EVENT) {
        use_stream(at, rs_port_claim(at->port, m->id), m->id, false);
        at->claimed++;
    } else {
        check_message(at, m);
    }
    rs_message_free(m);
    a->over = a->over || has_all(at);
}

/* ---- a world, and its end ---- */

static void open_side(world *w, int i, rs_stream *s, uint16_t context)
{
    side *at = &w->sides[i];
    at->w = w;
    at->link = rs_link_new(w->loop, s, s);
    assert_non_null(at->link);
    at->port = rs_port_new(at->link, context, i == 0);
    assert_non_null(at->port);
    add_actor(at, take_step);
    add_actor(at, send_step);
}

static void open_relay(world *w, rs_stream *s)
{
    w->up = rs_link_new(w->loop, s, s);
    assert_non_null(w->up);
    w->relay = rs_relay_new(w->loop, w->up, 0);
    w->own = rs_port_new(w->up, 0, false);
    assert_int_equal(rs_link_send(w->sides[0].link, rs_link_lane(RS_FRAME_ROUTE), RS_FRAME_ROUTE, CONTEXT, 0, NULL, 0),
                     0);
}

/* The far side's process has started. */
static void attach(world *w)
{
    rs_stream *ours = open_end(w, &w->wires[2], &w->wires[3]), *theirs = open_end(w, &w->wires[3], &w->wires[2]);
    assert_int_equal(rs_relay_attach(w->relay, CONTEXT, ours, ours, 0), 0);
    open_side(w, 1, theirs, CONTEXT);
}

static bool may_attach(const world *w)
{
    return w->relay && !w->sides[1].link && !w->cut && rs_link_has(w->up, CONTEXT);
}

/* How much moves at once, and how much is to be moved, so that each world has about as many steps. */
static const struct scale {
    size_t quantum, longest, volume;
} scales[] = {
    {1, 300, 500}, {13, 2000, 5000}, {700, 60000, 100000}, {40000, 200000, 200000}, {1 << 20, LONGEST, 6000000}};

static void build(world *w, uint64_t seed)
{
    *w = (world){.seed = seed * 7919 + 1};
    bool large = seed % 20 == 0; /* for credit, and for all that a port keeps */
    const struct scale *scale = &scales[large ? COUNT(scales) - 1 : any(w, COUNT(scales) - 1)];
    w->quantum = scale->quantum;
    w->longest = scale->longest;
    w->volume = scale->volume;
    w->lazy = large ? seed % 40 == 0 : any(w, 5) == 0;
    assert_int_equal(rs_loop_new(&w->loop), 0);
    for (size_t i = 0; i < COUNT(w->wires); i++) {
        rs_buf_init(&w->wires[i].bytes, 0);
        w->wires[i].room = 1 + any(w, 2 * w->quantum);
    }
    bool relayed = any(w, 2);
    rs_stream *near = open_end(w, &w->wires[0], &w->wires[1]), *far = open_end(w, &w->wires[1], &w->wires[0]);
    open_side(w, 0, near, relayed ? CONTEXT : 0);
    if (relayed)
        open_relay(w, far);
    else
        open_side(w, 1, far, 0);
}

static void dismantle(world *w)
{
    for (int i = 0; i < SIDES; i++) {
        rs_port_free(w->sides[i].port);
        rs_link_free(w->sides[i].link);
    }
    rs_relay_free(w->relay);
    rs_port_free(w->own);
    rs_link_free(w->up);
    for (size_t i = 0; i < w->nactors; i++)
        free(w->actors[i]);
    for (size_t i = 0; i < COUNT(w->wires); i++)
        rs_buf_fini(&w->wires[i].bytes);
    assert_true(rs_loop_free(w->loop));
}

/* What has come before is still there to be read. */
static void cut(world *w)
{
    w->cut = true;
    for (size_t i = 0; i < COUNT(w->wires); i++)
        w->wires[i].ended = true;
}

/* ---- a schedule ---- */

typedef struct choice {
    end *in, *out;
    actor *actor; /* none of the three: attach */
} choice;

static size_t choices(world *w, choice *list)
{
    size_t n = 0;
    for (size_t i = 0; i < w->nends; i++) {
        if (in_ready(&w->ends[i]))
            list[n++] = (choice){.in = &w->ends[i]};
        if (out_ready(&w->ends[i]))
            list[n++] = (choice){.out = &w->ends[i]};
    }
    for (size_t i = 0; i < w->nactors; i++)
        if (can_go_on(w->actors[i]))
            list[n++] = (choice){.actor = w->actors[i]};
    if (may_attach(w))
        list[n++] = (choice){0};
    return n;
}

static void take(world *w, const choice *c)
{
    if (c->in)
        rs_stream_ready(c->in->s, true, false);
    else if (c->out)
        rs_stream_ready(c->out->s, false, true);
    else if (c->actor)
        c->actor->step(c->actor);
    else
        attach(w);
}

/* False when nobody can do anything, also after two turns of the loop: what is planned may plan more. */
static bool step(world *w)
{
    choice list[2 * COUNT(w->ends) + ACTORS + 1];
    size_t n = choices(w, list);
    for (int i = 0; i < 2 && n == 0; i++) {
        rs_loop_do_later(w->loop);
        n = choices(w, list);
    }
    if (n == 0)
        return false;
    take(w, &list[any(w, n)]);
    if (any(w, 3) == 0)
        rs_loop_do_later(w->loop);
    return true;
}

static bool all_over(const world *w)
{
    for (size_t i = 0; i < w->nactors; i++)
        if (!w->actors[i]->over)
            return false;
    return w->cut || w->sides[1].link;
}

/* Who waits for what. */
static void tell(const world *w)
{
    for (size_t i = 0; i < w->nends; i++) {
        const end *e = &w->ends[i];
        if (e->s)
            print_message("end %zu: %zu bytes come, %zu of %zu go, wants%s%s\n", i, rs_buf_len(&e->in->bytes),
                          rs_buf_len(&e->out->bytes), e->out->room, e->want_in ? " in" : "", e->want_out ? " out" : "");
    }
    for (size_t i = 0; i < w->nactors; i++) {
        const actor *a = w->actors[i];
        const char *what = a->step == take_step   ? "takes messages"
                           : a->step == send_step ? "sends messages"
                           : a->step == read_step ? "reads"
                                                  : "writes";
        if (!a->over)
            print_message("side %d %s: %zu of %zu, stream %u\n", (int)(a->at - w->sides), what, a->pos, a->total,
                          a->id);
    }
    for (int i = 0; i < SIDES; i++)
        print_message("side %d: sent %u, got %u, opened %u, claimed %u\n", i, w->sides[i].sent, w->sides[i].got,
                      w->sides[i].opened, w->sides[i].claimed);
}

static void run(uint64_t seed, bool is_cut)
{
    static world w;
    build(&w, seed);
    size_t steps = 0, cut_at = is_cut ? any(&w, 3000) : SIZE_MAX;
    while (!all_over(&w) && step(&w))
        if (steps++ == cut_at)
            cut(&w);
    if (!all_over(&w)) {
        tell(&w);
        fail_msg("seed %u: after %zu steps nobody goes on", (unsigned)seed, steps);
    }
    dismantle(&w);
}

static void test_any_order(void **state)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        run(seed, false);
}

static void test_any_end(void **state)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        run(seed, true);
}

/* ---- contexts that end while others are told ---- */

static void ignore(rs_link_user *u)
{
    (void)u;
}

static void ignore_frame(rs_link_user *u, const rs_frame *f)
{
    (void)u, (void)f;
}

static void pump(world *w)
{
    choice list[2 * COUNT(w->ends) + ACTORS + 1];
    for (int quiet = 0; quiet < 2;) {
        size_t n = choices(w, list);
        quiet = n ? 0 : quiet + 1;
        if (n)
            take(w, &list[0]);
        rs_loop_do_later(w->loop);
    }
}

/* Contexts in one bucket of the link, the last comes first. The second says its last word while the relay waits for room; the
 * fourth, when it is told that there is some, lets a frame pass that fills it, and the third what is behind that. */
static void test_end_while_told(void **state)
{
    static const uint16_t contexts[] = {65, 129, 193, 257};
    static char text[LONGEST];
    static world w;
    rs_link_user near[4], far[4], router = {.frame = ignore_frame};
    w = (world){.seed = 1, .quantum = 1 << 20};
    assert_int_equal(rs_loop_new(&w.loop), 0);
    for (size_t i = 0; i < COUNT(w.wires); i++) {
        rs_buf_init(&w.wires[i].bytes, 0);
        w.wires[i].room = i < 2 ? 1000 : 1 << 21; /* what the relay doesn't pass on waits beside it */
    }
    rs_stream *s = open_end(&w, &w.wires[0], &w.wires[1]), *up = open_end(&w, &w.wires[1], &w.wires[0]);
    rs_link *k = rs_link_new(w.loop, s, s), *process;
    w.up = rs_link_new(w.loop, up, up);
    w.relay = rs_relay_new(w.loop, w.up, 0);
    w.own = rs_port_new(w.up, 0, false);
    for (size_t i = 0; i < COUNT(contexts); i++) {
        near[i] = far[i] = (rs_link_user){.frame = ignore_frame, .room = ignore, .broken = ignore};
        assert_int_equal(rs_link_send(k, RS_LANE_URGENT, RS_FRAME_ROUTE, contexts[i], i ? contexts[0] : 0, NULL, 0), 0);
        rs_link_add(k, &near[i], contexts[i]);
    }
    pump(&w);
    up = open_end(&w, &w.wires[2], &w.wires[3]);
    s = open_end(&w, &w.wires[3], &w.wires[2]);
    assert_int_equal(rs_relay_attach(w.relay, contexts[0], up, up, 0), 0);
    process = rs_link_new(w.loop, s, s);
    rs_link_set_router(process, &router);
    for (size_t i = 0; i < COUNT(contexts); i++)
        rs_link_add(process, &far[i], contexts[i]);
    rs_link_pause(k, true); /* the relay's lane fills, and it reads no more */
    assert_int_equal(rs_link_send(process, RS_LANE_MESSAGE, RS_FRAME_CALL, contexts[0], 1, text, LONGEST), 0);
    assert_int_equal(rs_link_send(process, RS_LANE_MESSAGE, RS_FRAME_CALL, contexts[0], 2, text, 200000), 0);
    assert_int_equal(rs_link_send(process, RS_LANE_MESSAGE, RS_FRAME_BYE, contexts[1], 0, NULL, 0), 0);
    pump(&w);
    assert_true(rs_link_has(w.up, contexts[1]));
    rs_link_pause(k, false);
    pump(&w);
    assert_false(rs_link_has(w.up, contexts[1]));
    assert_true(rs_link_has(w.up, contexts[2]));
    assert_string_equal(rs_link_why(k), "");
    rs_link_free(process);
    rs_link_free(k);
    dismantle(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_order),
        cmocka_unit_test(test_any_end),
        cmocka_unit_test(test_end_while_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
