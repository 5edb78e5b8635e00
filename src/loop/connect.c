#include "loop/connect.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "loop/lookup.h"
#include "loop/timer.h"

enum { MAX_ADDRESSES = 32 };
static const double HEAD_START = 0.25; /* seconds that an address has before the next one is tried too */
static const double UNIX_RETRY = 0.02; /* seconds until a unix socket whose queue is full is tried again */

typedef struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in6 in6; /* the largest of the internet's */
        struct sockaddr_un un;
    };
    socklen_t len;
} address;

/* One socket that is being connected. */
typedef struct attempt {
    struct attempt *next;
    rs_connect *owner;
    uv_poll_t poll; /* the attempt is freed when this has closed */
    int fd;
} attempt;

/*  LOOKUP --(addresses)--> TRYING --(one answers, or all have failed)--> OVER
 *     |                                                                   ^
 *     +--(no such name)---------------------------------------------------+  */
struct rs_connect {
    rs_loop *loop;
    rs_wait wait;
    rs_lookup *lookup;
    rs_timer timer;
    attempt *attempts; /* under way */
    address from;      /* where connections start; its len is 0 where anywhere will do */
    address addresses[MAX_ADDRESSES];
    int n, next; /* next to be tried */
    int err;     /* what is told when all have failed */
    int fd;      /* connected, -1 until then */
};

int rs_unix_is(const char *host)
{
    return *host == '/' || *host == '@';
}

int rs_unix_address(const char *host, struct sockaddr_un *out)
{
    size_t n = strlen(host);
    bool abstract = *host == '@';
    memset(out, 0, sizeof *out);
    out->sun_family = AF_UNIX;
    if (n + !abstract > sizeof out->sun_path)
        return -ENAMETOOLONG;
    memcpy(out->sun_path, host, n);
    if (abstract)
        out->sun_path[0] = '\0'; /* the name is what follows, without an end mark */
    return (int)(offsetof(struct sockaddr_un, sun_path) + n + !abstract);
}

/* ---- attempts ---- */

static void attempt_freed(uv_handle_t *h)
{
    free(h->data);
}

/* Stops watching, and gives the socket to the caller. */
static int attempt_end(attempt *a)
{
    attempt **p = &a->owner->attempts;
    while (*p != a)
        p = &(*p)->next;
    *p = a->next;
    int fd = a->fd;
    uv_poll_stop(&a->poll);
    uv_close((uv_handle_t *)&a->poll, attempt_freed);
    return fd;
}

static void stop(rs_connect *c)
{
    rs_timer_stop(c->loop, &c->timer);
    rs_lookup_free(c->lookup);
    c->lookup = NULL;
    while (c->attempts)
        close(attempt_end(c->attempts));
}

/* The last thing that happens to c here: who waits may free it. */
static void over(rs_connect *c, int err)
{
    stop(c);
    rs_wait_done(&c->wait, err);
}

static void connected(rs_connect *c, int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* a unix socket refuses it */
    c->fd = fd;
    over(c, 0);
}

/* True for what says less than another address's failure: this machine can't even try. */
static bool says_little(int err)
{
    return !err || err == -ENETUNREACH || err == -EADDRNOTAVAIL || err == -EAFNOSUPPORT;
}

static void note_failure(rs_connect *c, int err)
{
    if (says_little(c->err) && (!c->err || !says_little(err)))
        c->err = err;
}

static void try_more(rs_connect *c);

static void on_poll(uv_poll_t *h, int status, int events)
{
    (void)status, (void)events;
    attempt *a = h->data;
    rs_connect *c = a->owner;
    int err = 0;
    socklen_t len = sizeof err;
    int fd = attempt_end(a);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len))
        err = errno;
    if (!err) {
        connected(c, fd);
        return;
    }
    close(fd);
    note_failure(c, -err);
    try_more(c);
}

/* Waits for the answer to a connect that is under way. Takes fd, also when it fails. */
static int watch(rs_connect *c, int fd)
{
    attempt *a = calloc(1, sizeof *a);
    int err = a ? uv_poll_init(rs_loop_uv(c->loop), &a->poll, fd) : -ENOMEM;
    if (err) {
        free(a);
        close(fd);
        return err;
    }
    a->fd = fd;
    a->owner = c;
    a->poll.data = a;
    a->next = c->attempts;
    c->attempts = a;
    uv_poll_start(&a->poll, UV_WRITABLE, on_poll); /* fails for an fd that is watched already: ours is new */
    return 0;
}

/* A connected socket, or -EINPROGRESS, or why not. */
static int try(rs_connect *c, const address *to)
{
    int fd = socket(to->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (c->from.len && bind(fd, &c->from.any, c->from.len)) {
        int err = -errno;
        close(fd);
        return err;
    }
    if (connect(fd, &to->any, to->len) == 0)
        return fd;
    if (errno == EINPROGRESS || errno == EINTR) {
        int err = watch(c, fd);
        return err ? err : -EINPROGRESS;
    }
    int err = -errno;
    close(fd);
    return err;
}

static void on_timer(rs_timer *t)
{
    try_more((rs_connect *)((char *)t - offsetof(rs_connect, timer)));
}

/* Tries addresses until one gives no answer yet. */
static void try_more(rs_connect *c)
{
    while (c->next < c->n) {
        int fd = try(c, &c->addresses[c->next]);
        if (fd == -EAGAIN) { /* only a unix socket says so: its queue is full */
            int err = rs_timer_start(c->loop, &c->timer, UNIX_RETRY, on_timer);
            if (err)
                over(c, err);
            return;
        }
        c->next++;
        if (fd >= 0) {
            connected(c, fd);
            return;
        }
        if (fd == -EINPROGRESS) {
            if (c->next < c->n)
                (void)rs_timer_start(c->loop, &c->timer, HEAD_START, on_timer);
            return;
        }
        note_failure(c, fd);
    }
    if (!c->attempts)
        over(c, c->err ? c->err : -EADDRNOTAVAIL);
}

/* ---- addresses ---- */

static void add_address(rs_connect *c, const struct addrinfo *ai)
{
    if (c->n == MAX_ADDRESSES || ai->ai_addrlen > sizeof c->addresses[0])
        return;
    address *a = &c->addresses[c->n++];
    memcpy(&a->any, ai->ai_addr, ai->ai_addrlen);
    a->len = ai->ai_addrlen;
}

/* The next of this family, or of any other. */
static const struct addrinfo *next_of(const struct addrinfo *ai, int family, bool same)
{
    while (ai && (ai->ai_family == family) != same)
        ai = ai->ai_next;
    return ai;
}

/* The families take turns, so that one that leads nowhere costs one head start only. */
static void take_addresses(rs_connect *c, const struct addrinfo *found)
{
    int family = found ? found->ai_family : 0;
    const struct addrinfo *same = next_of(found, family, true), *other = next_of(found, family, false);
    while (same || other) {
        if (same) {
            add_address(c, same);
            same = next_of(same->ai_next, family, true);
        }
        if (other) {
            add_address(c, other);
            other = next_of(other->ai_next, family, false);
        }
    }
}

static void looked_up(rs_wait *w)
{
    rs_connect *c = w->waiter;
    if (w->status) {
        over(c, w->status);
        return;
    }
    take_addresses(c, rs_lookup_found(c->lookup));
    if (c->from.len && c->n == 0)
        c->err = UV_EAI_ADDRFAMILY;
    try_more(c);
}

static int begin(rs_connect *c, const char *host, int port)
{
    if (rs_unix_is(host)) {
        int len = rs_unix_address(host, &c->addresses[0].un);
        if (len < 0)
            return len;
        c->addresses[0].len = (socklen_t)len;
        c->n = 1;
        try_more(c);
        return 0;
    }
    int err = rs_lookup_start(c->loop, host, port, &c->lookup);
    if (err)
        return err;
    rs_wait *w = rs_lookup_wait(c->lookup);
    w->waiter = c;
    w->wake = looked_up;
    if (w->done)
        looked_up(w);
    return 0;
}

/* ---- life ---- */

static void abandon(rs_wait *w)
{
    stop(w->op);
}

/* A numeric address, with port 0. */
static int read_address(address *a, const char *text)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    if (inet_pton(AF_INET, text, &in.sin_addr) == 1) {
        memcpy(&a->in6, &in, sizeof in);
        a->len = sizeof in;
        return 0;
    }
    a->in6 = (struct sockaddr_in6){.sin6_family = AF_INET6};
    a->len = sizeof a->in6;
    return inet_pton(AF_INET6, text, &a->in6.sin6_addr) == 1 ? 0 : -EINVAL;
}

int rs_connect_start(rs_loop *l, const char *host, int port, const char *from, rs_connect **out)
{
    rs_connect *c = calloc(1, sizeof *c);
    if (!c)
        return -ENOMEM;
    c->loop = l;
    c->fd = -1;
    rs_wait_init(&c->wait, abandon, c);
    int err = from ? read_address(&c->from, from) : 0;
    if (!err)
        err = begin(c, host, port);
    if (err) {
        free(c);
        return err;
    }
    *out = c;
    return 0;
}

rs_wait *rs_connect_wait(rs_connect *c)
{
    return &c->wait;
}

int rs_connect_take(rs_connect *c)
{
    int fd = c->fd;
    c->fd = -1;
    return fd;
}

void rs_connect_free(rs_connect *c)
{
    if (!c)
        return;
    stop(c);
    if (c->fd >= 0)
        close(c->fd);
    free(c);
}
