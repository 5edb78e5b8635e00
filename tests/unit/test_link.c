/* A link between file descriptors: what passes it unread leaves in whole frames whatever happens on the way, and a stream's payload
 * is taken as it comes, a message's as a whole. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "loop/loop.h"
#include "rpc/link.h"

enum { CONTEXT = 7, STREAM = 3, SPACE = 1024 * 1024 };

/* One of its streams is the test's end of a pipe. */
typedef struct world {
    rs_loop *loop;
    rs_link *link;
    rs_stream *from; /* what is passed on */
    int feed;        /* its other end */
    int far;         /* the other end of the link's */
    rs_buf seen;     /* of the link's other end, and the payload that came in frames there */
    rs_buf payload;
    size_t frames, others, longest;
    rs_link_user user;
    char log[400]; /* what the user got */
} world;

static char byte_at(size_t i)
{
    return (char)(i * 7 + i / 251);
}

static void open_pipe(int ends[2], int flags)
{
    assert_int_equal(pipe2(ends, O_CLOEXEC | flags), 0);
    (void)fcntl(ends[0], F_SETPIPE_SZ, SPACE);
}

static void on_frame(rs_link_user *u, const rs_frame *f)
{
    world *w = (world *)((char *)u - offsetof(world, user));
    size_t len = strlen(w->log);
    snprintf(w->log + len, sizeof w->log - len, "%s %u;", rs_frame_name(f->type), (unsigned)f->length);
    assert_int_equal(rs_buf_add(&w->payload, f->payload, f->length), 0);
}

static void on_news(rs_link_user *u)
{
    (void)u;
}

static rs_stream *no_sink(rs_link_user *u, const rs_frame *f)
{
    (void)u, (void)f;
    return NULL;
}

static void begin(world *w)
{
    *w = (world){.user = {.frame = on_frame, .room = on_news, .broken = on_news, .sink = no_sink}};
    assert_int_equal(rs_loop_new(&w->loop), 0);
    rs_buf_init(&w->seen, 0);
    rs_buf_init(&w->payload, 0);
    w->feed = -1;
}

static void end(world *w)
{
    rs_link_del(&w->user);
    rs_link_free(w->link);
    rs_stream_free(w->from);
    if (w->feed >= 0)
        close(w->feed);
    close(w->far);
    rs_buf_fini(&w->seen);
    rs_buf_fini(&w->payload);
    assert_true(rs_loop_free(w->loop));
}

/* ---- out ---- */

static void begin_out(world *w, int flags)
{
    int ends[2];
    rs_stream *out;
    begin(w);
    open_pipe(ends, 0);
    assert_int_equal(rs_stream_open_fd(w->loop, ends[1], false, &out), 0);
    w->far = ends[0];
    assert_int_equal(fcntl(w->far, F_SETFL, O_NONBLOCK), 0);
    w->link = rs_link_new(w->loop, NULL, out);
    assert_non_null(w->link);
    rs_link_add(w->link, &w->user, CONTEXT);
    open_pipe(ends, flags);
    assert_int_equal(rs_stream_open_fd(w->loop, ends[0], false, &w->from), 0);
    w->feed = ends[1];
}

/* Writes n bytes that go on where the last ones ended, so many at once. */
static void feed(world *w, size_t from, size_t n, size_t at_once)
{
    char *data = malloc(at_once);
    assert_non_null(data);
    for (size_t done = 0; done < n; done += at_once) {
        for (size_t i = 0; i < at_once; i++)
            data[i] = byte_at(from + done + i);
        assert_int_equal(write(w->feed, data, at_once), at_once);
    }
    free(data);
}

static ssize_t pass(world *w, size_t n)
{
    return rs_link_pass(w->link, RS_FRAME_DATA, CONTEXT, STREAM, w->from, n);
}

static void take_frame(world *w, const rs_frame *f)
{
    assert_int_equal(f->context, CONTEXT);
    if (f->type == RS_FRAME_DATA) {
        assert_int_equal(f->id, STREAM);
        assert_int_equal(rs_buf_add(&w->payload, f->payload, f->length), 0);
        w->frames += f->length > 0;
    } else {
        on_frame(&w->user, f);
        w->others++;
    }
    if (f->length > w->longest)
        w->longest = f->length;
}

/* Takes the frames that have left the link. */
static void drain(world *w)
{
    rs_frame f;
    char *to;
    ssize_t got;
    do {
        assert_int_equal(rs_buf_reserve(&w->seen, SPACE, &to), 0);
        got = read(w->far, to, SPACE);
        rs_buf_commit(&w->seen, got > 0 ? (size_t)got : 0);
        (void)rs_loop_poll(w->loop, false);
    } while (got > 0);
    while (rs_frame_peek(&w->seen, &f) > 0) {
        take_frame(w, &f);
        rs_frame_drop(&w->seen, &f);
    }
    assert_string_equal(rs_link_why(w->link), "");
}

/* All that has left it stands in frames, and nothing behind them. */
static void look_out(world *w)
{
    (void)rs_loop_poll(w->loop, false); /* what was queued is written at the end of a turn */
    drain(w);
    assert_int_equal(rs_buf_len(&w->seen), 0);
}

static void assert_payload(const world *w, size_t n)
{
    assert_int_equal(rs_buf_len(&w->payload), n);
    for (size_t i = 0; i < n; i++)
        if (rs_buf_data(&w->payload)[i] != byte_at(i))
            fail_msg("another byte at %zu", i);
}

static void test_several_frames_at_once(void **state)
{
    world w;
    begin_out(&w, 0);
    feed(&w, 0, 100000, 1000);
    assert_int_equal(pass(&w, 100000), 100000);
    look_out(&w);
    assert_payload(&w, 100000);
    assert_int_equal(w.frames, (100000 + RS_LINK_PIECE - 1) / RS_LINK_PIECE);
    assert_int_equal(w.longest, RS_LINK_PIECE);
    end(&w);
}

static void test_fewer_bytes_than_were_said(void **state)
{
    world w;
    begin_out(&w, 0);
    feed(&w, 0, 50000, 1000);
    assert_int_equal(pass(&w, 90000), 50000);
    look_out(&w);
    assert_payload(&w, 50000);
    assert_int_equal(w.frames, 2);
    feed(&w, 50000, 10000, 1000);
    assert_int_equal(pass(&w, 10000), 10000);
    look_out(&w);
    assert_payload(&w, 60000);
    end(&w);
}

static void test_no_bytes(void **state)
{
    world w;
    begin_out(&w, 0);
    assert_int_equal(pass(&w, 20000), -ENOSYS);
    assert_int_equal(rs_link_send(w.link, RS_LANE_MESSAGE, RS_FRAME_REPLY, CONTEXT, STREAM, "abc", 3), 0);
    look_out(&w);
    assert_string_equal(w.log, "REPLY 3;");
    assert_int_equal(w.frames, 0);
    end(&w);
}

/* Each of these packets takes a place in a pipe, of which ours has fewer. */
static void test_more_pieces_than_a_pipe_holds(void **state)
{
    enum { PACKETS = 200, SIZE = 300 };
    world w;
    begin_out(&w, O_DIRECT);
    feed(&w, 0, (size_t)PACKETS * SIZE, SIZE);
    size_t passed = 0, calls = 0;
    for (; passed < (size_t)PACKETS * SIZE; calls++) {
        ssize_t n = pass(&w, (size_t)PACKETS * SIZE - passed);
        assert_true(n > 0);
        passed += (size_t)n;
        look_out(&w);
    }
    assert_true(calls > 1);
    assert_payload(&w, (size_t)PACKETS * SIZE);
    end(&w);
}

/* Until who reads there has made room. */
static void test_nothing_overtakes_what_is_under_way(void **state)
{
    world w;
    begin_out(&w, 0);
    feed(&w, 0, 120000, 1000);
    assert_int_equal(pass(&w, 20000), 20000);
    look_out(&w);
    assert_true(fcntl(w.far, F_SETPIPE_SZ, 4096) > 0);
    assert_int_equal(pass(&w, 100000), 100000);
    assert_int_equal(pass(&w, 1), -EAGAIN);
    assert_int_equal(rs_link_send(w.link, RS_LANE_URGENT, RS_FRAME_CREDIT, CONTEXT, STREAM, "abcd", 4), 0);
    while (!*w.log)
        drain(&w);
    assert_string_equal(w.log, "CREDIT 4;");
    assert_int_equal(rs_buf_len(&w.payload), 120000 + 4);
    assert_int_equal(rs_buf_len(&w.seen), 0);
    end(&w);
}

/* Reads at most so many bytes of what has left the link. */
static void read_some(world *w, size_t most)
{
    char *to;
    assert_int_equal(rs_buf_reserve(&w->seen, most, &to), 0);
    ssize_t got = read(w->far, to, most);
    rs_buf_commit(&w->seen, got > 0 ? (size_t)got : 0);
}

/* As a stream does it: what can't be passed on is read and sent. */
static size_t pass_or_send(world *w, size_t n)
{
    ssize_t passed = pass(w, n);
    if (passed != -ENOSYS)
        return passed > 0 ? (size_t)passed : 0;
    if (n > RS_LINK_PIECE)
        n = RS_LINK_PIECE;
    rs_buf *in = rs_stream_input(w->from);
    assert_int_equal(rs_stream_fill_only(w->from, n), 0);
    assert_int_equal(rs_link_send(w->link, RS_LANE_BULK, RS_FRAME_DATA, CONTEXT, STREAM, rs_buf_data(in), n), 0);
    rs_buf_clear(in);
    return n;
}

/* Bytes come in pieces of any size, messages between them, and whoever reads is now and then behind. */
static void test_any_mixture(void **state)
{
    enum { STEPS = 4000, LONGEST = 100000 };
    world w;
    uint64_t seed = 0;
    size_t fed = 0, passed = 0, messages = 0;
    begin_out(&w, 0);
    for (int i = 0; i < STEPS; i++) {
        uint64_t x = unit_random(&seed);
        size_t n = 1 + (x >> 20) % LONGEST;
        if (x % 7 < 2 && fed + n - passed < SPACE / 2) {
            feed(&w, fed, n, n);
            fed += n;
        } else if (x % 7 < 4 && passed < fed) {
            passed += pass_or_send(&w, n < fed - passed ? n : fed - passed);
        } else if (x % 7 == 4) {
            assert_int_equal(rs_link_send(w.link, RS_LANE_MESSAGE, RS_FRAME_REPLY, CONTEXT, 0, "", 0), 0);
            messages++;
        } else {
            read_some(&w, n);
            (void)rs_loop_poll(w.loop, false);
        }
    }
    look_out(&w);
    assert_payload(&w, passed);
    assert_int_equal(w.others, messages);
    assert_true(passed > (size_t)STEPS * 1000 && messages > STEPS / 10);
    end(&w);
}

/* ---- in ---- */

static void begin_in(world *w)
{
    int ends[2];
    rs_stream *in;
    begin(w);
    open_pipe(ends, 0);
    assert_int_equal(rs_stream_open_fd(w->loop, ends[0], false, &in), 0);
    w->far = ends[1];
    w->link = rs_link_new(w->loop, in, NULL);
    assert_non_null(w->link);
    rs_link_add(w->link, &w->user, CONTEXT);
}

static void put_head(world *w, uint8_t type, uint32_t length)
{
    char head[RS_FRAME_HEADER];
    rs_frame f = {.length = length, .type = type, .context = CONTEXT, .id = STREAM};
    rs_frame_put(head, &f);
    assert_int_equal(write(w->far, head, sizeof head), sizeof head);
}

static void put(world *w, size_t from, size_t n)
{
    w->feed = w->far;
    feed(w, from, n, n);
    w->feed = -1;
}

static void look_in(world *w)
{
    for (int i = 0; i < 5; i++)
        assert_true(rs_loop_poll(w->loop, false));
}

static void test_payload_of_a_stream_as_it_comes(void **state)
{
    world w;
    begin_in(&w);
    put_head(&w, RS_FRAME_DATA, 30000);
    put(&w, 0, 10000);
    look_in(&w);
    assert_string_equal(w.log, "DATA 10000;");
    put(&w, 10000, 10000);
    look_in(&w);
    put(&w, 20000, 10000);
    put_head(&w, RS_FRAME_REPLY, 5);
    put(&w, 30000, 5);
    look_in(&w);
    assert_string_equal(w.log, "DATA 10000;DATA 10000;DATA 10000;REPLY 5;");
    assert_payload(&w, 30005);
    end(&w);
}

static void test_a_message_comes_as_a_whole(void **state)
{
    world w;
    begin_in(&w);
    put_head(&w, RS_FRAME_REPLY, 30000);
    put(&w, 0, 29999);
    look_in(&w);
    assert_string_equal(w.log, "");
    put(&w, 29999, 1);
    look_in(&w);
    assert_string_equal(w.log, "REPLY 30000;");
    assert_payload(&w, 30000);
    end(&w);
}

static void test_a_relay_gets_whole_frames(void **state)
{
    world w;
    begin_in(&w);
    w.user.sink = NULL;
    put_head(&w, RS_FRAME_DATA, 30000);
    put(&w, 0, 20000);
    look_in(&w);
    assert_string_equal(w.log, "");
    put(&w, 20000, 10000);
    look_in(&w);
    assert_string_equal(w.log, "DATA 30000;");
    end(&w);
}

/* Its context ends meanwhile: the rest is for nobody, and the next frame is found. */
static void test_an_end_amid_a_frame(void **state)
{
    world w;
    begin_in(&w);
    put_head(&w, RS_FRAME_DATA, 30000);
    put(&w, 0, 10000);
    look_in(&w);
    rs_link_retire(w.link, CONTEXT);
    put(&w, 10000, 20000);
    put_head(&w, RS_FRAME_REPLY, 0);
    put_head(&w, RS_FRAME_PING, 0);
    look_in(&w);
    assert_string_equal(w.log, "DATA 10000;");
    assert_string_equal(rs_link_why(w.link), "");
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_several_frames_at_once),
        cmocka_unit_test(test_fewer_bytes_than_were_said),
        cmocka_unit_test(test_no_bytes),
        cmocka_unit_test(test_more_pieces_than_a_pipe_holds),
        cmocka_unit_test(test_nothing_overtakes_what_is_under_way),
        cmocka_unit_test(test_any_mixture),
        cmocka_unit_test(test_payload_of_a_stream_as_it_comes),
        cmocka_unit_test(test_a_message_comes_as_a_whole),
        cmocka_unit_test(test_a_relay_gets_whole_frames),
        cmocka_unit_test(test_an_end_amid_a_frame),
    };
    return cmocka_run_group_tests_name("link", tests, NULL, NULL);
}
