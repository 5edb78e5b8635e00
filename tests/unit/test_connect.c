/* Connections and lookups, with name servers of our own: getaddrinfo below takes the place of libc's. */
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "loop/connect.h"
#include "loop/lookup.h"
#include "loop/loop.h"
#include "loop/timer.h"

static rs_loop *loop;

static void rest(long ms)
{
    struct timespec t = {.tv_nsec = ms * 1000000};
    nanosleep(&t, NULL);
}

/* ---- names ---- */

enum { MAX_ANSWERS = 40 };

/* What any name but an address is answered with. */
static struct {
    struct sockaddr_in6 to[MAX_ANSWERS]; /* or sockaddr_in */
    int n, err;
    atomic_bool slow, asked; /* slow: not before it is false again */
} names;

static struct addrinfo *answer(const struct sockaddr *to, struct addrinfo *next)
{
    struct addrinfo *ai = calloc(1, sizeof *ai + sizeof(struct sockaddr_in6));
    ai->ai_family = to->sa_family;
    ai->ai_socktype = SOCK_STREAM;
    ai->ai_addrlen = to->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    ai->ai_addr = memcpy(ai + 1, to, ai->ai_addrlen);
    ai->ai_next = next;
    return ai;
}

/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): libc's header uses reserved names */
int getaddrinfo(const char *restrict name, const char *restrict service, const struct addrinfo *restrict hints,
                struct addrinfo **restrict out)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)strtol(service, NULL, 10))};
    if (inet_pton(AF_INET, name, &in.sin_addr) == 1) {
        *out = answer((struct sockaddr *)&in, NULL);
        return 0;
    }
    if (hints->ai_flags & AI_NUMERICHOST)
        return EAI_NONAME;
    names.asked = true;
    while (names.slow)
        rest(1);
    *out = NULL;
    for (int i = names.n - 1; i >= 0 && !names.err; i--)
        *out = answer((struct sockaddr *)&names.to[i], *out);
    return names.err;
}

void freeaddrinfo(struct addrinfo *ai)
{
    while (ai) {
        struct addrinfo *next = ai->ai_next;
        free(ai);
        ai = next;
    }
}

static void name_is(int i, const char *address, int port)
{
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)&names.to[i];
    names.n = i + 1;
    memset(&names.to[i], 0, sizeof names.to[i]);
    if (inet_pton(AF_INET6, address, &names.to[i].sin6_addr) == 1) {
        names.to[i].sin6_family = AF_INET6;
        names.to[i].sin6_port = htons((uint16_t)port);
        return;
    }
    in->sin_family = AF_INET;
    in->sin_port = htons((uint16_t)port);
    assert_int_equal(inet_pton(AF_INET, address, &in->sin_addr), 1);
}

/* ---- servers ---- */

static int listen_on_loopback(int backlog, int *port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(listen(fd, backlog), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
    *port = ntohs(in.sin_port);
    return fd;
}

/* A port where nobody listens. */
static int closed_port(void)
{
    int port;
    close(listen_on_loopback(1, &port));
    return port;
}

/* A server whose queue is full: who connects gets no answer. */
static struct {
    int fd, port, held[8];
} silent;

static void silent_open(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    silent.fd = listen_on_loopback(0, &silent.port);
    in.sin_port = htons((uint16_t)silent.port);
    for (size_t i = 0; i < COUNT(silent.held); i++) {
        silent.held[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(silent.held[i], (struct sockaddr *)&in, sizeof in);
    }
    rest(20);
}

static void silent_close(void)
{
    for (size_t i = 0; i < COUNT(silent.held); i++)
        close(silent.held[i]);
    close(silent.fd);
}

/* ---- */

static int set_up(void **state)
{
    memset(&names, 0, sizeof names);
    return rs_loop_new(&loop);
}

static int tear_down(void **state)
{
    return rs_loop_free(loop) ? 0 : -1;
}

static int finish(rs_connect *c)
{
    rs_wait *w = rs_connect_wait(c);
    while (!w->done)
        assert_true(rs_loop_poll(loop, true) || w->done);
    return w->status;
}

/* Connects and gives the port it is connected to, or the error. */
static int connect_to(const char *host, int port)
{
    rs_connect *c = NULL;
    int err = rs_connect_start(loop, host, port, NULL, &c);
    if (err)
        return err;
    err = finish(c);
    if (!err) {
        struct sockaddr_in in = {0};
        socklen_t len = sizeof in;
        int on = 0, fd = rs_connect_take(c);
        assert_true(fd >= 0);
        assert_int_equal(rs_connect_take(c), -1);
        assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        if (getpeername(fd, (struct sockaddr *)&in, &len) == 0 && in.sin_family == AF_INET)
            err = ntohs(in.sin_port);
        len = sizeof on;
        if (err)
            assert_true(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &len) == 0 && on);
        close(fd);
    }
    rs_connect_free(c);
    return err;
}

static void test_addresses(void **state)
{
    int port, fd = listen_on_loopback(5, &port);
    assert_int_equal(connect_to("127.0.0.1", port), port);
    assert_false(names.asked);
    assert_int_equal(connect_to("127.0.0.1", closed_port()), -ECONNREFUSED);
    close(fd);
}

static void test_names(void **state)
{
    int port, fd = listen_on_loopback(5, &port), closed = closed_port();
    name_is(0, "127.0.0.1", port);
    assert_int_equal(connect_to("server", port), port);
    assert_true(names.asked);
    /* The next one when one fails; no head start is waited for. */
    for (int i = 0; i < 20; i++)
        name_is(i, "127.0.0.1", closed);
    name_is(20, "127.0.0.1", port);
    uint64_t begin = rs_loop_now();
    assert_int_equal(connect_to("server", port), port);
    assert_true(rs_loop_now() - begin < 4e9);
    /* More than are tried. */
    for (int i = 0; i < MAX_ANSWERS; i++)
        name_is(i, "127.0.0.1", closed);
    assert_int_equal(connect_to("server", port), -ECONNREFUSED);
    names.n = 0;
    assert_int_equal(connect_to("server", port), -EADDRNOTAVAIL);
    close(fd);
}

static void test_no_answer(void **state)
{
    int port, fd = listen_on_loopback(5, &port), closed = closed_port();
    silent_open();
    name_is(0, "127.0.0.1", silent.port);
    name_is(1, "127.0.0.1", port);
    uint64_t begin = rs_loop_now();
    assert_int_equal(connect_to("server", 1), port);
    assert_true(rs_loop_now() - begin >= 0.24e9); /* the first one had its head start */
    /* Several that don't answer, some that fail; each of them costs a head start at most. */
    name_is(1, "127.0.0.1", silent.port);
    name_is(2, "127.0.0.1", closed);
    name_is(3, "127.0.0.1", silent.port);
    name_is(4, "127.0.0.1", port);
    assert_int_equal(connect_to("server", 1), port);
    silent_close();
    close(fd);
}

static void test_families_take_turns(void **state)
{
    int port, fd = listen_on_loopback(5, &port);
    silent_open();
    /* The fifth as it came, the second as it is tried. */
    for (int i = 0; i < 4; i++)
        name_is(i, "127.0.0.1", silent.port);
    name_is(4, "::ffff:127.0.0.1", port);
    rs_connect *c = NULL;
    uint64_t begin = rs_loop_now();
    assert_int_equal(rs_connect_start(loop, "server", 1, NULL, &c), 0);
    int err = finish(c);
    uint64_t took = rs_loop_now() - begin;
    rs_connect_free(c);
    silent_close();
    close(fd);
    if (err == -EAFNOSUPPORT || err == -EADDRNOTAVAIL)
        skip();
    assert_int_equal(err, 0);
    assert_true(took >= 0.24e9);
}

/* An address that can't even be tried from here says less than one that was tried. */
static void test_the_error_that_says_most(void **state)
{
    int closed = closed_port();
    name_is(0, "ff00::1", closed); /* multicast: no way to connect */
    name_is(1, "127.0.0.1", closed);
    assert_int_equal(connect_to("server", 1), -ECONNREFUSED);
    name_is(0, "127.0.0.1", closed);
    name_is(1, "ff00::1", closed);
    assert_int_equal(connect_to("server", 1), -ECONNREFUSED);
}

static void test_failed_lookups(void **state)
{
    static const struct {
        int eai;
        const char *name;
    } cases[] = {
        {EAI_NONAME, "EAI_NONAME"}, {EAI_AGAIN, "EAI_AGAIN"}, {EAI_FAIL, "EAI_FAIL"}, {EAI_MEMORY, "EAI_MEMORY"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        names.err = cases[i].eai;
        assert_string_equal(rs_err_name(connect_to("server", 1)), cases[i].name);
    }
}

/* ---- given up ---- */

static void test_abandoned(void **state)
{
    rs_connect *c = NULL;
    silent_open();
    for (int i = 0; i < 3; i++)
        name_is(i, "127.0.0.1", silent.port);
    for (int turns = 0; turns < 10; turns++) {
        assert_int_equal(rs_connect_start(loop, turns % 2 ? "server" : "127.0.0.1", silent.port, NULL, &c), 0);
        for (int i = 0; i < turns; i++)
            rs_loop_poll(loop, false);
        rs_wait_abandon(rs_connect_wait(c));
        rs_connect_free(c);
        assert_int_equal(rs_connect_start(loop, "server", silent.port, NULL, &c), 0);
        for (int i = 0; i < turns; i++)
            rs_loop_poll(loop, false);
        rs_connect_free(c); /* without a word */
    }
    /* Abandoned, it does nothing any more, although it still stands. */
    assert_int_equal(rs_connect_start(loop, "127.0.0.1", silent.port, NULL, &c), 0);
    rs_wait_abandon(rs_connect_wait(c));
    while (rs_loop_poll(loop, true))
        ;
    rs_connect_free(c);
    rs_connect_free(NULL);
    silent_close();
}

static void test_abandoned_lookup(void **state)
{
    rs_lookup *k = NULL;
    rs_connect *c = NULL;
    names.slow = true;
    name_is(0, "127.0.0.1", 1);
    assert_int_equal(rs_lookup_start(loop, "slow", 1, &k), 0);
    while (!names.asked)
        rest(1);
    assert_false(rs_lookup_wait(k)->done);
    rs_lookup_free(k);
    assert_int_equal(rs_lookup_start(loop, "slow", 1, &k), 0);
    rs_wait_abandon(rs_lookup_wait(k));
    assert_int_equal(rs_connect_start(loop, "slow", 1, NULL, &c), 0);
    rs_connect_free(c);
    names.slow = false;
    while (rs_loop_poll(loop, true))
        ;
    rs_lookup_free(k);
    rs_lookup_free(NULL);
}

static void test_connected_and_not_taken(void **state)
{
    int port, fd = listen_on_loopback(5, &port);
    rs_connect *c = NULL;
    assert_int_equal(rs_connect_start(loop, "127.0.0.1", port, NULL, &c), 0);
    assert_int_equal(finish(c), 0);
    rs_connect_free(c); /* closes it */
    int conn = accept(fd, NULL, NULL);
    char byte;
    assert_int_equal(read(conn, &byte, 1), 0);
    close(conn);
    close(fd);
}

/* ---- unix sockets ---- */

static void test_unix_address(void **state)
{
    struct sockaddr_un un;
    const size_t head = offsetof(struct sockaddr_un, sun_path);
    char path[120];
    assert_true(rs_unix_is("/x") && rs_unix_is("@x") && !rs_unix_is("x") && !rs_unix_is("") && !rs_unix_is("./x"));
    assert_int_equal(rs_unix_address("/a/b", &un), head + 5);
    assert_string_equal(un.sun_path, "/a/b");
    assert_int_equal(rs_unix_address("@name", &un), head + 5);
    assert_memory_equal(un.sun_path, "\0name", 5);
    memset(path, 'x', sizeof path);
    path[0] = '/';
    path[107] = '\0';
    assert_int_equal(rs_unix_address(path, &un), head + 108);
    path[107] = 'x';
    path[108] = '\0';
    assert_int_equal(rs_unix_address(path, &un), -ENAMETOOLONG);
    path[0] = '@';
    assert_int_equal(rs_unix_address(path, &un), head + 108);
    path[108] = 'x';
    path[109] = '\0';
    assert_int_equal(rs_unix_address(path, &un), -ENAMETOOLONG);
    rs_connect *c = NULL;
    assert_int_equal(rs_connect_start(loop, path, 0, NULL, &c), -ENAMETOOLONG);
    assert_null(c);
}

typedef struct acceptor {
    rs_timer timer;
    int fd;
} acceptor;

static void accept_one(rs_timer *t)
{
    close(accept(((acceptor *)t)->fd, NULL, NULL));
}

/* A queue that is full is tried again: EAGAIN is no answer. */
static void test_unix_queue_is_full(void **state)
{
    struct sockaddr_un un;
    char name[40];
    snprintf(name, sizeof name, "@rshell-test-%d", (int)getpid());
    int len = rs_unix_address(name, &un), fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect_to(name, 0), -ECONNREFUSED);
    assert_int_equal(bind(fd, (struct sockaddr *)&un, (socklen_t)len), 0);
    assert_int_equal(listen(fd, 0), 0);
    assert_int_equal(connect_to(name, 0), 0); /* it fills the queue */
    rs_connect *c = NULL;
    acceptor later = {.fd = fd};
    assert_int_equal(rs_connect_start(loop, name, 0, NULL, &c), 0);
    for (int i = 0; i < 5; i++)
        rs_loop_poll(loop, false);
    assert_false(rs_connect_wait(c)->done);
    assert_int_equal(rs_timer_start(loop, &later.timer, 0.05, accept_one), 0);
    assert_int_equal(finish(c), 0);
    rs_connect_free(c);
    assert_int_equal(rs_connect_start(loop, name, 0, NULL, &c), 0); /* full again */
    assert_false(rs_connect_wait(c)->done);
    rs_connect_free(c);
    close(fd);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_addresses),
        TEST(test_names),
        TEST(test_no_answer),
        TEST(test_families_take_turns),
        TEST(test_the_error_that_says_most),
        TEST(test_failed_lookups),
        TEST(test_abandoned),
        TEST(test_abandoned_lookup),
        TEST(test_connected_and_not_taken),
        TEST(test_unix_address),
        TEST(test_unix_queue_is_full),
    };
    return cmocka_run_group_tests_name("connect", tests, NULL, NULL);
}
