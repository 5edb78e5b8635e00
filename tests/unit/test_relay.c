/* A relay between a controller and a process, both of which the test plays: it speaks frames at the far end of each link. */
#include "unit.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/loop.h"
#include "loop/stream.h"
#include "loop/timer.h"
#include "rpc/link.h"
#include "rpc/relay.h"
#include "wire/frame.h"

enum { CONTEXT = 5, MANY = 50 }; /* more cancels than a process may leave unanswered */
static const double LATER = 0.1; /* seconds: longer than from one signal to the next */

typedef struct end {
    int fd;
    rs_buf got;
} end;

static rs_loop *loop;
static rs_link *up;
static rs_relay *relay;
static end controller, process;
static volatile sig_atomic_t nudges;

static void on_nudge(int sig)
{
    nudges++;
}

/* A stream of ours, whose other end is the test's. */
static rs_stream *open_end(end *e)
{
    int fds[2];
    rs_stream *s;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(rs_stream_open_fd(loop, fds[0], false, &s), 0);
    fcntl(fds[1], F_SETFL, O_NONBLOCK);
    e->fd = fds[1];
    rs_buf_init(&e->got, 0);
    return s;
}

static void close_end(end *e)
{
    close(e->fd);
    rs_buf_fini(&e->got);
}

static void say(end *e, uint8_t type, uint32_t id)
{
    char header[RS_FRAME_HEADER];
    rs_frame f = {.type = type, .context = CONTEXT, .id = id};
    rs_frame_put(header, &f);
    assert_int_equal(write(e->fd, header, sizeof header), sizeof header);
}

static void receive(end *e)
{
    char bytes[1000];
    ssize_t n = read(e->fd, bytes, sizeof bytes);
    if (n > 0)
        assert_int_equal(rs_buf_add(&e->got, bytes, (size_t)n), 0);
}

/* Whether the next frame has come; it is dropped. */
static bool has_come(end *e, uint8_t type, uint32_t *id)
{
    rs_frame f;
    receive(e);
    if (rs_frame_peek(&e->got, &f) != 1)
        return false;
    assert_int_equal(f.type, type);
    assert_int_equal(f.context, CONTEXT);
    *id = f.id;
    rs_frame_drop(&e->got, &f);
    return true;
}

static void turn(void)
{
    rs_loop_poll(loop, true);
}

static uint32_t hear(end *e, uint8_t type)
{
    uint32_t id;
    while (!has_come(e, type, &id))
        turn();
    return id;
}

static void ignore(rs_link_user *u)
{
}

/* The pid is our own: what is sent to it is counted. */
static int set_up(void **state)
{
    struct sigaction act = {.sa_handler = on_nudge};
    sigaction(SIGURG, &act, NULL);
    nudges = 0;
    assert_int_equal(rs_loop_new(&loop), 0);
    rs_stream *above = open_end(&controller);
    up = rs_link_new(loop, above, above);
    relay = rs_relay_new(loop, up, 0);
    static rs_link_user self; /* the first user lets the link read */
    self = (rs_link_user){.room = ignore, .broken = ignore};
    rs_link_add(up, &self, 0);
    say(&controller, RS_FRAME_ROUTE, 0);
    while (!rs_link_has(up, CONTEXT))
        turn();
    rs_stream *below = open_end(&process);
    assert_int_equal(rs_relay_attach(relay, CONTEXT, below, below, getpid()), 0);
    return 0;
}

static int tear_down(void **state)
{
    rs_relay_free(relay);
    rs_link_free(up);
    close_end(&controller);
    close_end(&process);
    return rs_loop_free(loop) ? 0 : -1;
}

/* The PING that follows it. */
static uint32_t cancel(uint32_t id)
{
    say(&controller, RS_FRAME_CANCEL, id);
    assert_int_equal(hear(&process, RS_FRAME_CANCEL), id);
    return hear(&process, RS_FRAME_PING);
}

/* Frames go up in order: what was said before this has been read when it has come. */
static void all_is_read(void)
{
    static uint32_t last;
    say(&process, RS_FRAME_EVENT, ++last);
    assert_int_equal(hear(&controller, RS_FRAME_EVENT), last);
}

static void wait_for_nudge(void)
{
    for (sig_atomic_t before = nudges; nudges == before;)
        turn();
}

static void test_signal_finds_the_cancel(void **state)
{
    uint32_t id;
    say(&controller, RS_FRAME_CANCEL, 1);
    wait_for_nudge();
    assert_int_equal(nudges, 1);
    assert_true(has_come(&process, RS_FRAME_CANCEL, &id));
    assert_true(has_come(&process, RS_FRAME_PING, &id));
    wait_for_nudge(); /* and another, until that is answered */
}

static void on_time(rs_timer *t)
{
    (void)t;
}

/* A signal that is still planned comes before this time is over. */
static void assert_at_rest(void)
{
    sig_atomic_t before = nudges;
    rs_timer t = {0};
    rs_timer_start(loop, &t, LATER, on_time);
    while (rs_timer_running(&t))
        turn();
    assert_int_equal(nudges, before);
}

static void test_each_cancel_is_answered(void **state)
{
    uint32_t first = cancel(1), second = cancel(2);
    say(&process, RS_FRAME_PONG, first);
    all_is_read();
    wait_for_nudge(); /* for the second, which nobody has read yet */
    say(&process, RS_FRAME_PONG, second);
    all_is_read();
    assert_at_rest();
}

static void test_who_answers_is_not_killed(void **state)
{
    uint32_t ping = cancel(1);
    for (uint32_t i = 2; i < MANY; i++) {
        uint32_t next = cancel(i);
        say(&process, RS_FRAME_PONG, ping);
        ping = next;
        wait_for_nudge();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_signal_finds_the_cancel, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_each_cancel_is_answered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_who_answers_is_not_killed, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
