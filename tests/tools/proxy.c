/* A slow, breakable link for tests: forwards TCP connections, and counts their round trips.
 *
 *     proxy HOST PORT [MILLISECONDS]
 *
 * Listens on a free port of 127.0.0.1 and prints it ("port N"). Each direction is late by MILLISECONDS, 0 unless said. A
 * line on stdin is a command, each is answered by one line; it ends with its stdin.
 *
 *     delay MILLISECONDS          for what comes in from now on
 *     freeze, thaw                nothing is forwarded, read or closed meanwhile
 *     cut                         every connection is reset, on both sides
 *     after up|down N freeze|cut  happens to each connection of its own, once N bytes of it went that way (up: to HOST)
 *     after none
 *     reset                       counts from 0
 *     stat                        trips=N connections=N open=N up=BYTES down=BYTES
 *
 * A connection's first packets are played as TCP sends them: its handshake is a round trip, and HOST hears of it one and
 * a half round trips after the client's connect.
 *
 * Round trips are those that were over: a trip begins with bytes that the client sends while none is under way, and is
 * over when bytes that HOST sent after it had got them have reached the client. What is sent in between belongs to the
 * same trip. So neither the speed of the two ends nor a busy machine changes the count, as long as the client takes less
 * than a round trip between two packets that it sends without waiting; noise can only add. `trips` is the largest count of
 * any connection: many that do the same at once take as many as one. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 64 * 1024, FULL = 16 * 1024 * 1024, MAX_CONNS = 1024 };

typedef long long ns;

static const ns NEVER = 1LL << 62;

typedef enum action { NOTHING, FREEZE, CUT } action;

typedef struct chunk {
    struct chunk *next;
    ns due;
    size_t len, done;
    unsigned trip;     /* what `begins` and `ends` speak of; an older one counts for nothing */
    bool begins, ends; /* a round trip */
    bool eof;          /* the direction is over; no data */
    char data[];
} chunk;

/* One direction of a connection. */
typedef struct way {
    int from, to;
    chunk *first, **last;
    size_t queued, forwarded;
    bool over; /* nothing more will be read */
} way;

typedef struct conn {
    ns opened; /* when the client has its connection, and when HOST hears of it */
    ns due;
    bool connecting, connected, frozen, dead;
    way up, down;
    enum { QUIET, SENT, ARRIVED, ANSWERED } state;
    unsigned trip, trips;
} conn;

static struct {
    struct sockaddr_storage host;
    socklen_t host_len;
    ns delay;
    bool frozen;
    struct {
        action what;
        size_t bytes;
    } after[2]; /* up, down */
    int listener;
    conn *conns[MAX_CONNS];
    int n;
    unsigned trips, connections;
    size_t up, down;
} proxy;

static ns now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void die(const char *what)
{
    fprintf(stderr, "proxy: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- connections ---- */

static void way_init(way *w, int from, int to)
{
    *w = (way){.from = from, .to = to};
    w->last = &w->first;
}

static void way_clear(way *w)
{
    for (chunk *c = w->first, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    w->first = NULL;
    w->last = &w->first;
    w->queued = 0;
}

static void close_reset(int fd)
{
    struct linger hard = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(fd);
}

static void conn_reset(conn *c)
{
    if (c->dead)
        return;
    c->dead = true;
    close_reset(c->up.from);
    close_reset(c->up.to);
}

static void take_note(const conn *c)
{
    if (c->trips > proxy.trips)
        proxy.trips = c->trips;
}

static void remove_dead(void)
{
    int kept = 0;
    for (int i = 0; i < proxy.n; i++) {
        conn *c = proxy.conns[i];
        if (!c->dead) {
            proxy.conns[kept++] = c;
            continue;
        }
        way_clear(&c->up);
        way_clear(&c->down);
        free(c);
    }
    proxy.n = kept;
}

static void no_delay(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static void accept_one(void)
{
    struct sockaddr_storage from;
    socklen_t len = sizeof from;
    int client = accept4(proxy.listener, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client < 0)
        return;
    if (proxy.n == MAX_CONNS) {
        close_reset(client);
        return;
    }
    int server = socket(proxy.host.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    conn *c = calloc(1, sizeof *c);
    if (server < 0 || !c)
        die("accept");
    no_delay(client);
    no_delay(server);
    way_init(&c->up, client, server);
    way_init(&c->down, server, client);
    c->opened = now() + 2 * proxy.delay;
    c->due = c->opened + proxy.delay;
    /* The handshake is one; its last packet is the second one's first. */
    c->trips = 1;
    c->state = SENT;
    proxy.conns[proxy.n++] = c;
    proxy.connections++;
    take_note(c);
}

static void connected(conn *c)
{
    c->connecting = false;
    c->connected = true;
    if (c->state == SENT)
        c->state = ARRIVED;
}

static void connect_now(conn *c)
{
    if (connect(c->up.to, (struct sockaddr *)&proxy.host, proxy.host_len) == 0)
        connected(c);
    else if (errno == EINPROGRESS)
        c->connecting = true;
    else
        conn_reset(c);
}

static void connect_over(conn *c)
{
    int err = 0;
    socklen_t len = sizeof err;
    getsockopt(c->up.to, SOL_SOCKET, SO_ERROR, &err, &len);
    if (err)
        conn_reset(c);
    else
        connected(c);
}

/* ---- bytes ---- */

static void mark_trip(conn *c, const way *w, chunk *k)
{
    k->trip = c->trip;
    if (w == &c->up && c->state == QUIET) {
        k->begins = true;
        c->state = SENT;
    } else if (w == &c->down && c->state == ARRIVED) {
        k->ends = true;
        c->state = ANSWERED;
    }
}

/* Takes what has come in; false when the other end has reset the connection. */
static bool way_read(conn *c, way *w)
{
    chunk *k = malloc(sizeof *k + BLOCK);
    if (!k)
        die("memory");
    *k = (chunk){0}; /* before there are data: they begin inside its padding */
    ssize_t n = read(w->from, k->data, BLOCK);
    if (n < 0) {
        free(k);
        return errno == EAGAIN || errno == EINTR;
    }
    ns arrival = now();
    if (w == &c->up && arrival < c->opened)
        arrival = c->opened;
    k->due = arrival + proxy.delay;
    k->len = (size_t)n;
    k->eof = n == 0;
    chunk *fit = realloc(k, sizeof *k + (size_t)n);
    k = fit ? fit : k;
    if (k->eof)
        w->over = true;
    else
        mark_trip(c, w, k);
    *w->last = k;
    w->last = &k->next;
    w->queued += k->len;
    return true;
}

static void chunk_over(conn *c, way *w)
{
    chunk *k = w->first;
    w->first = k->next;
    if (!w->first)
        w->last = &w->first;
    if (k->trip == c->trip && k->begins && c->state == SENT)
        c->state = ARRIVED;
    if (k->trip == c->trip && k->ends) {
        c->state = QUIET;
        c->trips++;
        take_note(c);
    }
    if (k->eof)
        shutdown(w->to, SHUT_WR);
    free(k);
}

/* How much may still pass until what `after` says happens. */
static size_t allowed(const conn *c, const way *w)
{
    int i = w == &c->down;
    if (proxy.after[i].what == NOTHING)
        return (size_t)-1;
    return proxy.after[i].bytes > w->forwarded ? proxy.after[i].bytes - w->forwarded : 0;
}

static void strike(conn *c, const way *w)
{
    if (proxy.after[w == &c->down].what == CUT)
        conn_reset(c);
    else
        c->frozen = true;
}

/* Forwards what is due; false when the other end has reset the connection. */
static bool way_write(conn *c, way *w, ns at)
{
    while (w->first && w->first->due <= at) {
        chunk *k = w->first;
        size_t n = k->len - k->done, may = allowed(c, w);
        n = n < may ? n : may;
        if (n > 0) {
            ssize_t put = send(w->to, k->data + k->done, n, MSG_NOSIGNAL);
            if (put < 0)
                return errno == EAGAIN || errno == EINTR;
            k->done += (size_t)put;
            w->queued -= (size_t)put;
            w->forwarded += (size_t)put;
            *(w == &c->up ? &proxy.up : &proxy.down) += (size_t)put;
        }
        if (allowed(c, w) == 0) {
            strike(c, w);
            return true;
        }
        if (k->done < k->len)
            return true;
        chunk_over(c, w);
    }
    return true;
}

static bool is_over(const conn *c)
{
    return c->up.over && c->down.over && !c->up.first && !c->down.first;
}

static bool stopped(const conn *c)
{
    return proxy.frozen || c->frozen;
}

static void forward(conn *c, ns at)
{
    if (c->dead || stopped(c))
        return;
    if (!c->connected && !c->connecting && c->due <= at)
        connect_now(c);
    if (c->dead || !c->connected)
        return;
    if (!way_write(c, &c->up, at) || (!c->dead && !stopped(c) && !way_write(c, &c->down, at)))
        conn_reset(c);
    if (!c->dead && is_over(c)) {
        close(c->up.from);
        close(c->up.to);
        c->dead = true;
    }
}

/* ---- commands ---- */

static void set_after(const char *direction, size_t bytes, const char *what)
{
    int i = strcmp(direction, "down") == 0;
    proxy.after[i].what = strcmp(what, "cut") == 0 ? CUT : FREEZE;
    proxy.after[i].bytes = bytes;
}

static void thaw(void)
{
    proxy.frozen = false;
    for (int i = 0; i < proxy.n; i++)
        proxy.conns[i]->frozen = false;
}

static void reset_counts(void)
{
    proxy.trips = proxy.connections = 0;
    proxy.up = proxy.down = 0;
    for (int i = 0; i < proxy.n; i++) {
        conn *c = proxy.conns[i];
        c->trips = 0;
        c->trip++;
        c->state = QUIET;
    }
}

static ns milliseconds(const char *text)
{
    return strtoll(text, NULL, 10) * 1000000;
}

static bool is(const char *word, const char *text)
{
    return word && strcmp(word, text) == 0;
}

static void tell_counts(void)
{
    printf("trips=%u connections=%u open=%d up=%zu down=%zu\n", proxy.trips, proxy.connections, proxy.n, proxy.up,
           proxy.down);
}

static void obey(char *line)
{
    char *rest = NULL, *word = strtok_r(line, " ", &rest);
    const char *args[3];
    for (int i = 0; i < 3; i++) {
        char *arg = strtok_r(NULL, " ", &rest);
        args[i] = arg ? arg : "";
    }
    if (is(word, "delay") && *args[0]) {
        proxy.delay = milliseconds(args[0]);
    } else if (is(word, "freeze")) {
        proxy.frozen = true;
    } else if (is(word, "thaw")) {
        thaw();
    } else if (is(word, "cut")) {
        for (int i = 0; i < proxy.n; i++)
            conn_reset(proxy.conns[i]);
    } else if (is(word, "after") && is(args[0], "none")) {
        memset(proxy.after, 0, sizeof proxy.after);
    } else if (is(word, "after") && *args[2]) {
        set_after(args[0], strtoul(args[1], NULL, 10), args[2]);
    } else if (is(word, "reset")) {
        reset_counts();
    } else if (is(word, "stat")) {
        tell_counts();
        return;
    } else {
        printf("error: no such command: %s\n", word ? word : "");
        return;
    }
    puts("ok");
}

/* False when stdin is at its end. */
static bool read_commands(void)
{
    static char text[1024];
    static size_t used;
    ssize_t n = read(STDIN_FILENO, text + used, sizeof text - used - 1);
    if (n <= 0)
        return n < 0 && errno == EINTR;
    used += (size_t)n;
    text[used] = '\0';
    char *line = text;
    for (char *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        obey(line);
    }
    used -= (size_t)(line - text);
    memmove(text, line, used);
    return true;
}

/* ---- the loop ---- */

static ns earlier(ns a, ns b)
{
    return a < b ? a : b;
}

static ns head_due(const way *w, ns at)
{
    return w->first && w->first->due > at ? w->first->due : NEVER;
}

/* When something will be due. Bytes that are due already wait for POLLOUT. */
static ns next_due(ns at)
{
    ns due = NEVER;
    for (int i = 0; i < proxy.n; i++) {
        const conn *c = proxy.conns[i];
        if (stopped(c) || c->connecting)
            continue;
        if (c->connected)
            due = earlier(due, earlier(head_due(&c->up, at), head_due(&c->down, at)));
        else
            due = earlier(due, c->due);
    }
    return due;
}

static struct pollfd poll_way(const conn *c, const way *w, const way *back, ns at)
{
    struct pollfd p = {.fd = w->from};
    if (!w->over && w->queued < FULL && (w == &c->up || c->connected))
        p.events |= POLLIN;
    if (back->first && back->first->due <= at && c->connected)
        p.events |= POLLOUT;
    if (w == &c->down && c->connecting)
        p.events = POLLOUT;
    if (stopped(c) || !p.events)
        p.fd = -1;
    return p;
}

/* The listener and stdin, then two for each connection. */
static int wait_for_news(struct pollfd *fds)
{
    ns at = now(), due = next_due(at), wait = due > at ? due - at : 0;
    fds[0] = (struct pollfd){.fd = proxy.listener, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
    for (int i = 0; i < proxy.n; i++) {
        const conn *c = proxy.conns[i];
        fds[2 + 2 * i] = poll_way(c, &c->up, &c->down, at);
        fds[3 + 2 * i] = poll_way(c, &c->down, &c->up, at);
    }
    struct timespec t = {wait / 1000000000LL, wait % 1000000000LL};
    nfds_t n = 2 + 2 * (nfds_t)proxy.n;
    if (ppoll(fds, n, due == NEVER ? NULL : &t, NULL) < 0 && errno != EINTR)
        die("poll");
    return proxy.n;
}

static void serve(conn *c, const struct pollfd *up, const struct pollfd *down)
{
    if (c->connecting && down->revents)
        connect_over(c);
    else if (!c->dead && (down->revents & (POLLIN | POLLHUP | POLLERR)) && !c->down.over && !way_read(c, &c->down))
        conn_reset(c);
    if (!c->dead && (up->revents & (POLLIN | POLLHUP | POLLERR)) && !c->up.over && !way_read(c, &c->up))
        conn_reset(c);
}

static void run(void)
{
    static struct pollfd fds[2 + 2 * MAX_CONNS];
    for (;;) {
        int n = wait_for_news(fds);
        for (int i = 0; i < n; i++)
            serve(proxy.conns[i], &fds[2 + 2 * i], &fds[3 + 2 * i]);
        ns at = now();
        for (int i = 0; i < n; i++)
            forward(proxy.conns[i], at);
        if (fds[1].revents && !read_commands())
            return;
        if (fds[0].revents)
            accept_one();
        remove_dead();
    }
}

static void resolve(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV}, *found;
    if (getaddrinfo(host, port, &hints, &found)) {
        fprintf(stderr, "proxy: an address and a port expected: %s %s\n", host, port);
        exit(2);
    }
    memcpy(&proxy.host, found->ai_addr, found->ai_addrlen);
    proxy.host_len = found->ai_addrlen;
    freeaddrinfo(found);
}

static void listen_anywhere(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof at;
    proxy.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (proxy.listener < 0 || bind(proxy.listener, (struct sockaddr *)&at, sizeof at) || listen(proxy.listener, 1024) ||
        getsockname(proxy.listener, (struct sockaddr *)&at, &len))
        die("listen");
    printf("port %d\n", ntohs(at.sin_port));
}

int main(int argc, char **argv)
{
    if (argc != 3 && argc != 4) {
        fputs("usage: proxy HOST PORT [MILLISECONDS]\n", stderr);
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    resolve(argv[1], argv[2]);
    proxy.delay = argc == 4 ? milliseconds(argv[3]) : 0;
    listen_anywhere();
    run();
    for (int i = 0; i < proxy.n; i++)
        conn_reset(proxy.conns[i]);
    remove_dead();
    close(proxy.listener);
    return 0;
}
