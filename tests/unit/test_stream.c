#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "loop/loop.h"
#include "loop/stream.h"

static rs_loop *loop;

static int set_up(void **state)
{
    return rs_loop_new(&loop);
}

static int tear_down(void **state)
{
    return rs_loop_free(loop) ? 0 : -1;
}

/* ---- a source in memory, which does what its script says ---- */

typedef struct script {
    const char *reads; /* parts between |; then the result in `end` */
    int end;
    int room; /* how many bytes a write takes before -EAGAIN; negative: an error */
    char written[200];
    size_t nwritten;
    bool in, out, closed, was_shutdown;
} script;

static ssize_t script_read(void *source, char *to, size_t n)
{
    script *s = source;
    if (!*s->reads)
        return s->end;
    size_t len = strcspn(s->reads, "|");
    if (len > n)
        len = n;
    memcpy(to, s->reads, len);
    s->reads += len;
    if (*s->reads == '|')
        s->reads++;
    return (ssize_t)len;
}

static ssize_t script_write(void *source, const char *from, size_t n)
{
    script *s = source;
    if (s->room <= 0)
        return s->room < 0 ? s->room : -EAGAIN;
    if (n > (size_t)s->room)
        n = (size_t)s->room;
    if (n > 3)
        n = 3; /* a short write */
    memcpy(s->written + s->nwritten, from, n);
    s->nwritten += n;
    s->room -= (int)n;
    return (ssize_t)n;
}

static void script_want(void *source, bool in, bool out)
{
    script *s = source;
    s->in = in;
    s->out = out;
}

static int script_shutdown(void *source)
{
    ((script *)source)->was_shutdown = true;
    return -EPIPE;
}

static void script_close(void *source)
{
    ((script *)source)->closed = true;
}

static const rs_stream_ops script_ops = {script_read,  script_write, script_want, script_shutdown,
                                         script_close, NULL,         NULL};

static void test_fill(void **state)
{
    static const struct {
        const char *reads;
        int end;
        size_t want[4]; /* ends with 0 */
        int result[4];
        size_t len[4];
    } cases[] = {
        {"", 0, {1, 1}, {RS_EEOF, RS_EEOF}, {0, 0}},
        {"", -EAGAIN, {1, 5}, {-EAGAIN, -EAGAIN}, {0, 0}},
        {"", -ECONNRESET, {1, 1}, {-ECONNRESET, -ECONNRESET}, {0, 0}},
        {"abc", 0, {1, 3, 4}, {0, 0, RS_EEOF}, {3, 3, 3}},
        {"a|b|c", 0, {1, 2, 4}, {0, 0, RS_EEOF}, {1, 2, 3}},
        {"a|b|c", 0, {3}, {0}, {3}},
        {"abc|def", -EAGAIN, {4, 7, 6}, {0, -EAGAIN, 0}, {6, 6, 6}},
        {"abc", -EIO, {4, 2}, {-EIO, 0}, {3, 3}},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        script src = {.reads = cases[i].reads, .end = cases[i].end};
        rs_stream *s = rs_stream_new(&script_ops, &src);
        assert_int_equal(rs_stream_fill(s, 0), 0);
        for (int k = 0; k < 4 && cases[i].want[k]; k++) {
            assert_int_equal(rs_stream_fill(s, cases[i].want[k]), cases[i].result[k]);
            assert_int_equal(rs_buf_len(rs_stream_input(s)), cases[i].len[k]);
        }
        assert_false(src.closed);
        rs_stream_free(s);
        assert_true(src.closed);
    }
    rs_stream_free(NULL);
}

static void test_input_has_a_limit(void **state)
{
    script src = {.reads = "abc|def|ghi"};
    rs_stream *s = rs_stream_new(&script_ops, &src);
    rs_stream_input(s)->max = 5;
    assert_int_equal(rs_stream_fill(s, 5), 0);
    assert_int_equal(rs_stream_fill(s, 6), RS_ELIMIT);
    assert_memory_equal(rs_buf_data(rs_stream_input(s)), "abcde", 5);
    rs_buf_consume(rs_stream_input(s), 5); /* nothing was lost */
    assert_int_equal(rs_stream_fill(s, 4), 0);
    assert_memory_equal(rs_buf_data(rs_stream_input(s)), "fghi", 4);
    rs_stream_free(s);
}

static bool script_take(void *source, rs_buf *to)
{
    rs_buf got;
    rs_buf_init(&got, 0);
    assert_int_equal(rs_buf_len(to), 0); /* nothing that had been read is lost */
    char part[4];
    ssize_t n = script_read(source, part, sizeof part);
    if (n <= 0 || (size_t)n > rs_buf_room(to))
        return false;
    assert_int_equal(rs_buf_add(&got, part, (size_t)n), 0);
    rs_buf_swap(&got, to);
    rs_buf_fini(&got);
    return true;
}

/* Taken as it is while there is nothing else, read behind it after that. */
static void test_take(void **state)
{
    static const rs_stream_ops ops = {script_read,  script_write, script_want, script_shutdown,
                                      script_close, script_take,  NULL};
    script src = {.reads = "abc|def|gh"};
    rs_stream *s = rs_stream_new(&ops, &src);
    rs_buf *in = rs_stream_input(s);
    assert_int_equal(rs_stream_fill(s, 1), 0);
    assert_memory_equal(rs_buf_data(in), "abc", 3);
    assert_int_equal(rs_stream_fill(s, 5), 0);
    assert_memory_equal(rs_buf_data(in), "abcdef", 6);
    rs_buf_clear(in);
    assert_int_equal(rs_stream_fill(s, 3), RS_EEOF);
    assert_int_equal(rs_buf_len(in), 2);
    assert_memory_equal(rs_buf_data(in), "gh", 2);
    rs_stream_free(s);
}

static void test_write(void **state)
{
    static const struct {
        int room;
        const char *data;
        ssize_t result;
    } cases[] = {
        {100, "", 0},       {100, "abc", 3},       {100, "abcdefgh", 8}, {5, "abcdefgh", 5},
        {0, "abcdefgh", 0}, {-EPIPE, "a", -EPIPE}, {-EPIPE, "", 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        script src = {.reads = "", .room = cases[i].room};
        rs_stream *s = rs_stream_new(&script_ops, &src);
        assert_int_equal(rs_stream_write(s, cases[i].data, strlen(cases[i].data)), cases[i].result);
        assert_memory_equal(src.written, cases[i].data, src.nwritten);
        assert_int_equal(rs_stream_shutdown(s), -EPIPE);
        assert_true(src.was_shutdown);
        rs_stream_free(s);
    }
}

/* ---- waiting ---- */

typedef struct waiter {
    rs_wait w;
    int woken;
    rs_stream *frees, *again; /* what its wake does */
    struct waiter *drops;     /* malloc'd: freed by its wake, after it was abandoned */
} waiter;

static void on_wake(rs_wait *w)
{
    waiter *me = w->waiter;
    rs_stream *again = me->again;
    me->woken++;
    me->again = NULL;
    if (again) {
        assert_int_equal(rs_stream_await_in(again, w), 0);
        w->waiter = me;
        w->wake = on_wake;
    }
    rs_stream_free(me->frees);
    me->frees = NULL;
    free(me->drops);
    me->drops = NULL;
}

static void await(rs_stream *s, waiter *me, bool in)
{
    assert_int_equal(in ? rs_stream_await_in(s, &me->w) : rs_stream_await_out(s, &me->w), 0);
    me->w.waiter = me;
    me->w.wake = on_wake;
}

static void test_one_waiter_a_direction(void **state)
{
    script src = {.reads = ""};
    rs_stream *s = rs_stream_new(&script_ops, &src);
    waiter a = {0}, b = {0};
    rs_wait more;
    assert_false(rs_stream_awaited_in(s));
    await(s, &a, true);
    assert_true(rs_stream_awaited_in(s));
    assert_true(src.in && !src.out);
    await(s, &b, false);
    assert_true(src.in && src.out);
    assert_int_equal(rs_stream_await_in(s, &more), RS_EUSAGE);
    assert_int_equal(rs_stream_await_out(s, &more), RS_EUSAGE);

    rs_stream_ready(s, true, false);
    assert_int_equal(a.woken, 1);
    assert_int_equal(b.woken, 0);
    rs_stream_ready(s, true, false); /* news for nobody: the source is told to stop */
    assert_true(!src.in && src.out);
    rs_stream_ready(s, false, true);
    assert_int_equal(b.woken, 1);

    await(s, &a, true);
    rs_wait_abandon(&a.w);
    assert_false(rs_stream_awaited_in(s));
    assert_true(!src.in && !src.out);
    await(s, &a, true);
    rs_stream_ready(s, true, true);
    assert_int_equal(a.woken, 2);
    rs_stream_free(s);
    assert_int_equal(a.woken, 2);
}

static void test_waits_again_while_it_is_woken(void **state)
{
    script src = {.reads = ""};
    rs_stream *s = rs_stream_new(&script_ops, &src);
    waiter a = {.again = s};
    await(s, &a, true);
    rs_stream_ready(s, true, false);
    assert_int_equal(a.woken, 1);
    assert_true(rs_stream_awaited_in(s));
    rs_stream_ready(s, true, false);
    assert_int_equal(a.woken, 2);
    rs_stream_free(s);
}

static void test_free_wakes(void **state)
{
    script src = {.reads = ""};
    rs_stream *s = rs_stream_new(&script_ops, &src);
    waiter a = {0}, b = {0};
    await(s, &a, true);
    await(s, &b, false);
    rs_stream_free(s);
    assert_int_equal(a.w.status, RS_ECLOSED);
    assert_int_equal(b.w.status, RS_ECLOSED);
    assert_int_equal(a.woken + b.woken, 2);
}

/* Who is woken frees the stream, while another waits for its other direction. */
static void test_free_during_wake(void **state)
{
    script src = {.reads = ""};
    rs_stream *s = rs_stream_new(&script_ops, &src);
    waiter a = {.frees = s}, b = {0};
    await(s, &a, true);
    await(s, &b, false);
    rs_stream_ready(s, true, true);
    assert_int_equal(a.w.status, 0);
    assert_int_equal(b.w.status, RS_ECLOSED);
    assert_int_equal(b.woken, 1);
    assert_true(src.closed);

    /* and that one's memory with it */
    src = (script){.reads = ""};
    s = rs_stream_new(&script_ops, &src);
    waiter *c = calloc(1, sizeof *c);
    a = (waiter){.frees = s, .drops = c};
    await(s, &a, true);
    await(s, c, false);
    rs_stream_ready(s, true, true);
    assert_true(src.closed);

    src = (script){.reads = ""};
    s = rs_stream_new(&script_ops, &src);
    a = (waiter){0};
    b = (waiter){.frees = s};
    await(s, &a, true);
    await(s, &b, false);
    rs_stream_ready(s, true, true);
    assert_int_equal(a.w.status, 0);
    assert_int_equal(b.w.status, 0);
    assert_true(src.closed);
}

/* ---- file descriptors ---- */

static rs_stream *open_fd(int fd, bool shared)
{
    rs_stream *s = NULL;
    assert_int_equal(rs_stream_open_fd(loop, fd, shared, &s), 0);
    return s;
}

/* Turns until w is done. */
static void turn_until(const waiter *me)
{
    while (!me->w.done && rs_loop_poll(loop, true))
        ;
    assert_true(me->w.done);
}

static void test_pipe(void **state)
{
    int p[2];
    assert_int_equal(pipe2(p, O_CLOEXEC), 0);
    rs_stream *in = open_fd(p[0], false), *out = open_fd(p[1], false);
    waiter a = {0};
    assert_int_equal(rs_stream_fill(in, 1), -EAGAIN);
    await(in, &a, true);
    assert_true(rs_loop_poll(loop, false));
    assert_false(a.w.done);
    assert_int_equal(rs_stream_write(out, "text", 4), 4);
    turn_until(&a);
    assert_int_equal(rs_stream_fill(in, 4), 0);
    assert_memory_equal(rs_buf_data(rs_stream_input(in)), "text", 4);
    await(in, &a, true);
    rs_stream_free(out);
    turn_until(&a);
    assert_int_equal(rs_stream_fill(in, 5), RS_EEOF);
    rs_stream_free(in);
    assert_false(rs_loop_poll(loop, true));
}

static void test_backpressure(void **state)
{
    int p[2];
    static char data[1 << 20];
    assert_int_equal(pipe2(p, O_CLOEXEC), 0);
    rs_stream *in = open_fd(p[0], false), *out = open_fd(p[1], false);
    waiter a = {0};
    uint64_t seed = 1;
    size_t sent = 0, got = 0;
    unit_random_bytes(&seed, data, sizeof data);
    ssize_t n = rs_stream_write(out, data, sizeof data);
    assert_true(n > 0 && (size_t)n < sizeof data);
    sent = (size_t)n;
    assert_int_equal(rs_stream_write(out, data, 1), 0);
    await(out, &a, false);
    assert_true(rs_loop_poll(loop, false));
    assert_false(a.w.done); /* nobody reads: nobody writes */
    while (got < sizeof data) {
        int err = rs_stream_fill(in, 1);
        if (!err) {
            rs_buf *b = rs_stream_input(in);
            assert_memory_equal(rs_buf_data(b), data + got, rs_buf_len(b));
            assert_true(rs_buf_len(b) <= 65536); /* no more than a pipe holds is kept here */
            got += rs_buf_len(b);
            rs_buf_consume(b, rs_buf_len(b));
            continue;
        }
        assert_int_equal(err, -EAGAIN);
        turn_until(&a);
        n = rs_stream_write(out, data + sent, sizeof data - sent);
        assert_true(n >= 0);
        sent += (size_t)n;
        if (sent < sizeof data)
            await(out, &a, false);
    }
    rs_stream_free(in);
    rs_stream_free(out);
}

static void test_reader_has_gone(void **state)
{
    int p[2];
    static char data[1 << 20];
    assert_int_equal(pipe2(p, O_CLOEXEC), 0);
    rs_stream *out = open_fd(p[1], false);
    waiter a = {0};
    assert_true(rs_stream_write(out, data, sizeof data) > 0);
    await(out, &a, false);
    close(p[0]);
    turn_until(&a);
    assert_int_equal(rs_stream_write(out, data, 1), -EPIPE);
    await(out, &a, false); /* libuv has stopped watching: it must begin again */
    turn_until(&a);
    assert_int_equal(rs_stream_write(out, data, 1), -EPIPE);
    rs_stream_free(out);
}

static void test_socket_both_ways(void **state)
{
    int p[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p), 0);
    rs_stream *a = open_fd(p[0], false), *b = open_fd(p[1], false);
    waiter r = {0}, w = {0};
    await(a, &r, true);
    await(a, &w, false); /* the same fd, both directions */
    turn_until(&w);
    assert_false(r.w.done);
    assert_int_equal(rs_stream_write(a, "to b", 4), 4);
    assert_int_equal(rs_stream_shutdown(a), 0);
    assert_int_equal(rs_stream_fill(b, 4), 0);
    assert_int_equal(rs_stream_fill(b, 5), RS_EEOF);
    assert_int_equal(rs_stream_write(a, "x", 1), -EPIPE);
    assert_int_equal(rs_stream_write(b, "to a", 4), 4); /* the other half is open */
    turn_until(&r);
    assert_int_equal(rs_stream_fill(a, 4), 0);
    rs_stream_free(b);
    assert_int_equal(rs_stream_fill(a, 5), RS_EEOF);
    rs_stream_free(a);
}

/* epoll takes neither; both are always ready. */
static void test_files(void **state)
{
    char name[] = "/tmp/rshell-test-stream.XXXXXX";
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    unlink(name);
    rs_stream *s = open_fd(fd, false);
    waiter a = {0};
    assert_int_equal(rs_stream_write(s, "line\n", 5), 5);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    await(s, &a, true);
    assert_true(a.w.done);
    assert_int_equal(rs_stream_fill(s, 5), 0);
    assert_int_equal(rs_stream_fill(s, 6), RS_EEOF);
    rs_stream_free(s);

    s = open_fd(open("/dev/null", O_RDWR | O_CLOEXEC), false);
    assert_int_equal(rs_stream_write(s, "gone", 4), 4);
    assert_int_equal(rs_stream_fill(s, 1), RS_EEOF);
    assert_int_equal(rs_stream_shutdown(s), 0);
    rs_stream_free(s);
}

static void test_bad_fd(void **state)
{
    rs_stream *s = NULL;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(fd);
    assert_int_equal(rs_stream_open_fd(loop, fd, false, &s), -EBADF);
    assert_null(s);
}

/* An fd that others use as well stays as it is, and is touched only when it is ready. */
static void test_shared(void **state)
{
    int p[2], q[2];
    static char data[1 << 20];
    assert_int_equal(pipe2(p, O_CLOEXEC), 0);
    assert_int_equal(pipe2(q, O_CLOEXEC), 0);
    rs_stream *in = open_fd(p[0], true), *out = open_fd(q[1], true);
    assert_int_equal(fcntl(p[0], F_GETFL) & O_NONBLOCK, 0);
    assert_int_equal(fcntl(q[1], F_GETFL) & O_NONBLOCK, 0);
    assert_int_equal(rs_stream_fill(in, 1), -EAGAIN);
    assert_int_equal(write(p[1], "x", 1), 1);
    assert_int_equal(rs_stream_fill(in, 1), 0);
    ssize_t n = rs_stream_write(out, data, sizeof data);
    assert_true(n > 0 && (size_t)n < sizeof data); /* and it did not block */
    close(p[1]);
    assert_int_equal(rs_stream_fill(in, 2), RS_EEOF);
    close(q[0]);
    rs_stream_free(in);
    rs_stream_free(out);
}

/* The master of a pty says EIO when the other side has gone: that is the end, after what it had written. */
static void test_pty_end(void **state)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0 || grantpt(master) || unlockpt(master))
        skip();
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(slave >= 0);
    struct termios raw;
    tcgetattr(slave, &raw);
    cfmakeraw(&raw);
    tcsetattr(slave, TCSANOW, &raw);
    rs_stream *s = open_fd(master, false);
    waiter a = {0};
    assert_int_equal(rs_stream_fill(s, 1), -EAGAIN);
    await(s, &a, true);
    assert_int_equal(write(slave, "bye", 3), 3);
    close(slave);
    turn_until(&a);
    assert_int_equal(rs_stream_fill(s, 3), 0);
    assert_int_equal(rs_stream_fill(s, 4), RS_EEOF);
    rs_stream_free(s);
}

/* ---- bytes that aren't read ---- */

typedef struct place {
    rs_sink sink;
    rs_stream *to;
    size_t took;
} place;

static rs_stream *place_to(rs_sink *k)
{
    return ((place *)k)->to;
}

static void place_took(rs_sink *k, size_t n)
{
    ((place *)k)->took += n;
}

/* A place is offered as long as somebody waits for input and has none. */
static void test_sink(void **state)
{
    int p[2];
    assert_int_equal(pipe2(p, O_CLOEXEC), 0);
    rs_stream *in = open_fd(p[0], false), *out = open_fd(p[1], false);
    script src = {.reads = "abc", .end = -EAGAIN};
    rs_stream *s = rs_stream_new(&script_ops, &src), *other = rs_stream_new(&script_ops, &src);
    place k = {{place_to, place_took}, out, 0}, odd = {{place_to, place_took}, other, 0};
    place closed = {{place_to, place_took}, NULL, 0};
    waiter a = {0};
    rs_stream_offer(s, &k.sink);
    assert_null(rs_stream_sink(s)); /* nobody waits */
    await(s, &a, true);
    rs_stream_offer(s, &k.sink);
    assert_ptr_equal(rs_stream_sink(s), out);
    rs_stream_took(s, 7);
    assert_int_equal(k.took, 7);
    rs_stream_offer(s, &odd.sink);
    assert_null(rs_stream_sink(s)); /* not a pipe, nor a socket */
    rs_stream_offer(s, &closed.sink);
    assert_null(rs_stream_sink(s));
    rs_stream_offer(s, &k.sink);
    assert_int_equal(rs_stream_fill(s, 1), 0);
    assert_null(rs_stream_sink(s)); /* what came before comes first */
    rs_buf_clear(rs_stream_input(s));
    assert_ptr_equal(rs_stream_sink(s), out);
    rs_stream_ready(s, true, false);
    assert_null(rs_stream_sink(s));
    await(s, &a, true);
    assert_null(rs_stream_sink(s));
    rs_stream_offer(s, &k.sink);
    rs_wait_abandon(&a.w);
    assert_null(rs_stream_sink(s));
    rs_stream_free(s);
    rs_stream_free(other);
    rs_stream_free(in);
    rs_stream_free(out);
}

static void pair(bool sockets, int type, rs_stream *ends[2])
{
    int p[2];
    assert_int_equal(sockets ? socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, p) : pipe2(p, O_CLOEXEC), 0);
    ends[0] = open_fd(p[0], false);
    ends[1] = open_fd(p[1], false);
}

static void test_splice(void **state)
{
    for (int i = 0; i < 3; i++) {
        rs_stream *a[2], *b[2];
        pair(i == 1, SOCK_STREAM, a);
        pair(i == 2, SOCK_STREAM, b);
        assert_true(rs_stream_splices(a[0], b[1]));
        assert_false(rs_stream_splices(a[0], NULL));
        assert_int_equal(rs_stream_splice(a[0], b[1], 10), -EAGAIN);
        assert_int_equal(rs_stream_pending(a[0]), 0);
        assert_int_equal(rs_stream_write(a[1], "0123456789", 10), 10);
        assert_int_equal(rs_stream_pending(a[0]), 10);
        assert_int_equal(rs_stream_splice(a[0], b[1], 4), 4);
        assert_int_equal(rs_stream_pending(a[0]), 6);
        assert_int_equal(rs_stream_splice(a[0], b[1], 100), 6);
        assert_int_equal(rs_stream_fill(b[0], 10), 0);
        assert_memory_equal(rs_buf_data(rs_stream_input(b[0])), "0123456789", 10);
        rs_stream_free(a[1]);
        assert_int_equal(rs_stream_splice(a[0], b[1], 1), 0);
        rs_stream_free(a[0]);
        rs_stream_free(b[0]);
        rs_stream_free(b[1]);
    }
}

/* A full pipe stops it, a reader that has gone ends it. */
static void test_splice_has_backpressure(void **state)
{
    static char data[64 * 1024];
    rs_stream *a[2], *b[2];
    pair(false, 0, a);
    pair(false, 0, b);
    size_t n = 0;
    for (ssize_t moved = 1; moved > 0; n += (size_t)(moved > 0 ? moved : 0)) {
        while (rs_stream_write(a[1], data, sizeof data) > 0)
            ;
        moved = rs_stream_splice(a[0], b[1], sizeof data);
        assert_true(moved > 0 || moved == -EAGAIN);
    }
    assert_int_equal(rs_stream_pending(b[0]), n);
    rs_stream_free(b[0]);
    assert_int_equal(rs_stream_splice(a[0], b[1], 1), -EPIPE);
    assert_true(rs_stream_splices(a[0], b[1])); /* the kernel can; there is nobody */
    rs_stream_free(b[1]);
    rs_stream_free(a[0]);
    rs_stream_free(a[1]);
}

static void test_what_splice_cant(void **state)
{
    rs_stream *a[2], *b[2], *c[2];
    pair(true, SOCK_STREAM, a);
    pair(true, SOCK_STREAM, b);
    pair(false, 0, c);
    assert_false(rs_stream_splices(a[0], b[1])); /* one is to be a pipe */
    rs_stream *file = open_fd(open("/dev/null", O_RDWR | O_CLOEXEC), false);
    assert_false(rs_stream_splices(c[0], file));
    assert_int_equal(rs_stream_pending(file), 0);
    rs_stream *shared = open_fd(dup(0), true);
    assert_false(rs_stream_splices(c[0], shared));
    rs_stream *d[2];
    pair(true, SOCK_DGRAM, d); /* the kernel says so only when it is tried */
    assert_int_equal(rs_stream_write(d[1], "x", 1), 1);
    assert_true(rs_stream_splices(d[0], c[1]));
    if (rs_stream_splice(d[0], c[1], 1) == -EINVAL)
        assert_false(rs_stream_splices(d[0], c[1]));
    rs_stream *all[] = {a[0], a[1], b[0], b[1], c[0], c[1], d[0], d[1], file, shared};
    for (size_t i = 0; i < COUNT(all); i++)
        rs_stream_free(all[i]);
}

static void test_fill_only(void **state)
{
    rs_stream *a[2];
    pair(false, 0, a);
    assert_int_equal(rs_stream_write(a[1], "0123456789", 10), 10);
    assert_int_equal(rs_stream_fill_only(a[0], 4), 0);
    assert_int_equal(rs_buf_len(rs_stream_input(a[0])), 4);
    assert_int_equal(rs_stream_pending(a[0]), 6);
    assert_int_equal(rs_stream_fill_only(a[0], 12), -EAGAIN);
    assert_memory_equal(rs_buf_data(rs_stream_input(a[0])), "0123456789", 10);
    rs_stream_free(a[0]);
    rs_stream_free(a[1]);
}

static void test_widen(void **state)
{
    rs_stream *a[2], *b[2];
    int p[2];
    assert_int_equal(pipe2(p, O_CLOEXEC), 0);
    int before = fcntl(p[0], F_GETPIPE_SZ);
    a[0] = open_fd(p[0], false);
    a[1] = open_fd(p[1], false);
    pair(true, SOCK_STREAM, b);
    rs_stream_widen(b[0]); /* nothing to be done */
    rs_stream_widen(a[1]);
    assert_true(fcntl(p[0], F_GETPIPE_SZ) >= before);
    rs_stream_free(a[0]);
    rs_stream_free(a[1]);
    rs_stream_free(b[0]);
    rs_stream_free(b[1]);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_fill),
        TEST(test_input_has_a_limit),
        TEST(test_take),
        TEST(test_write),
        TEST(test_one_waiter_a_direction),
        TEST(test_waits_again_while_it_is_woken),
        TEST(test_free_wakes),
        TEST(test_free_during_wake),
        TEST(test_pipe),
        TEST(test_backpressure),
        TEST(test_reader_has_gone),
        TEST(test_socket_both_ways),
        TEST(test_files),
        TEST(test_sink),
        TEST(test_splice),
        TEST(test_splice_has_backpressure),
        TEST(test_what_splice_cant),
        TEST(test_fill_only),
        TEST(test_widen),
        TEST(test_bad_fd),
        TEST(test_shared),
        TEST(test_pty_end),
    };
    return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
