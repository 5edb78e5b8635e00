/* Listeners: sockets that take connections. */
#include <errno.h>
#include <lauxlib.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "base/err.h"
#include "loop/connect.h"
#include "loop/lookup.h"
#include "loop/task.h"
#include "loop/task_error.h"
#include "sys/net_lua.h"
#include "sys/stream.h"
#include "sys/trace.h"

#define LISTENER "rshell.Listener"
#define ACCEPT "rshell.Accept"

typedef union peer {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;
} peer;

typedef struct accept_request accept_request;

typedef struct listener {
    rs_loop *loop;
    uv_poll_t *poll; /* freed by its close callback; NULL once closed */
    int fd;
    accept_request *first, **last; /* who waits for a connection, in order */
    peer at;
    char *path;        /* of the unix socket: a file that is ours to remove; NULL for others */
    struct stat file;  /* it is ours while these are its device and number */
    rs_lookup *lookup; /* of the host to listen on, until it listens */
    int port, backlog; /* asked for */
} listener;

struct accept_request {
    rs_wait wait;
    accept_request *next, **at; /* at is NULL while in no list */
    listener *owner;
    int fd; /* taken and not yet given away, or -1 */
    peer from;
    socklen_t from_len;
};

static listener *check_listener(lua_State *L)
{
    return luaL_checkudata(L, 1, LISTENER);
}

/* ---- accepting ---- */

static void leave(accept_request *q)
{
    if (!q->at)
        return;
    *q->at = q->next;
    if (q->next)
        q->next->at = q->at;
    else
        q->owner->last = q->at;
    q->at = NULL;
}

static void on_poll(uv_poll_t *h, int status, int events);

static void watch(listener *ls)
{
    if (ls->first)
        uv_poll_start(ls->poll, UV_READABLE, on_poll);
    else
        uv_poll_stop(ls->poll);
}

/* Takes a connection: 0, -EAGAIN while there is none, or why not. */
static int take(const listener *ls, accept_request *q)
{
    int on = 1;
    do {
        q->from_len = sizeof q->from;
        q->fd = accept4(ls->fd, &q->from.any, &q->from_len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (q->fd < 0 && (errno == EINTR || errno == ECONNABORTED)); /* the latter gave up while it queued */
    if (q->fd < 0)
        return -errno;
    setsockopt(q->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* a unix socket refuses it */
    return 0;
}

static void on_poll(uv_poll_t *h, int status, int events)
{
    (void)status, (void)events;
    listener *ls = h->data;
    while (ls->first) {
        accept_request *q = ls->first;
        int err = take(ls, q);
        if (err == -EAGAIN)
            break;
        leave(q);
        rs_wait_done(&q->wait, err);
        if (err)
            break;
    }
    watch(ls);
}

static void abandon(rs_wait *w)
{
    accept_request *q = w->op;
    leave(q);
    watch(q->owner);
}

/* A connection that came for somebody who can't take it any more is closed. */
static int accept_gc(lua_State *L)
{
    accept_request *q = lua_touserdata(L, 1);
    if (q->fd >= 0)
        close(q->fd);
    q->fd = -1;
    return 0;
}

/* Pushes {address=, port=, family=}; a unix socket's peer has a path, or nothing, in place of address and port. */
static void push_peer(lua_State *L, const peer *p, socklen_t len)
{
    lua_createtable(L, 0, 3);
    if (p->any.sa_family == AF_UNIX) {
        size_t head = offsetof(struct sockaddr_un, sun_path);
        if (len > head && p->un.sun_path[0]) {
            lua_pushlstring(L, p->un.sun_path, strnlen(p->un.sun_path, len - head));
            lua_setfield(L, -2, "path");
        }
        lua_pushliteral(L, "unix");
        lua_setfield(L, -2, "family");
        return;
    }
    rs_net_push_address(L, &p->any);
    lua_setfield(L, -3, "family");
    lua_setfield(L, -2, "address");
    lua_pushinteger(L, rs_net_port(&p->any));
    lua_setfield(L, -2, "port");
}

static int accepted(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    accept_request *q = (accept_request *)ctx;
    if (q->wait.status)
        return rs_error_edge(L, q->wait.status);
    int fd = q->fd;
    q->fd = -1;
    rs_lstream_push_fd(L, fd, false);
    push_peer(L, &q->from, q->from_len);
    return 2;
}

static accept_request *accept_new(lua_State *L, listener *ls)
{
    accept_request *q = lua_newuserdatauv(L, sizeof *q, 0);
    *q = (accept_request){.owner = ls, .fd = -1};
    rs_wait_init(&q->wait, abandon, q);
    luaL_setmetatable(L, ACCEPT);
    return q;
}

/* listener:accept([seconds]): a stream and its peer, or nil, text, NAME: ETIMEOUT, or ECLOSED once it is closed. */
static int l_accept(lua_State *L)
{
    listener *ls = check_listener(L);
    double seconds = luaL_optnumber(L, 2, -1);
    rs_task_check(L);
    if (!ls->poll)
        return rs_error_edge(L, RS_ECLOSED);
    accept_request *q = accept_new(L, ls);
    int err = ls->first ? -EAGAIN : take(ls, q);
    if (err == -EAGAIN) {
        q->at = ls->last;
        *ls->last = q;
        ls->last = &q->next;
        watch(ls);
    } else {
        rs_wait_done(&q->wait, err);
    }
    return rs_task_wait_for(L, &q->wait, seconds, (lua_KContext)q, accepted);
}

/* ---- life ---- */

static void poll_freed(uv_handle_t *h)
{
    free(h);
}

/* The file goes only while it is still the one that we made. */
static void remove_file(listener *ls)
{
    struct stat st;
    if (ls->path && lstat(ls->path, &st) == 0 && st.st_dev == ls->file.st_dev && st.st_ino == ls->file.st_ino)
        unlink(ls->path);
    if (ls->path)
        rs_trace_made(ls->path, false);
    free(ls->path);
    ls->path = NULL;
}

static int l_close(lua_State *L)
{
    listener *ls = check_listener(L);
    rs_lookup_free(ls->lookup);
    ls->lookup = NULL;
    if (!ls->poll)
        return 0;
    remove_file(ls);
    uv_poll_stop(ls->poll);
    uv_close((uv_handle_t *)ls->poll, poll_freed);
    ls->poll = NULL;
    close(ls->fd);
    while (ls->first) {
        accept_request *q = ls->first;
        leave(q);
        rs_wait_done(&q->wait, RS_ECLOSED);
    }
    return 0;
}

static void push_own_address(lua_State *L, const listener *ls)
{
    rs_net_push_address(L, &ls->at.any);
    lua_pop(L, 1);
}

static int l_index(lua_State *L)
{
    listener *ls = check_listener(L);
    const char *key = luaL_checkstring(L, 2);
    bool unix_socket = ls->at.any.sa_family == AF_UNIX;
    if (strcmp(key, "port") == 0 && !unix_socket)
        lua_pushinteger(L, rs_net_port(&ls->at.any));
    else if (strcmp(key, "address") == 0 && !unix_socket)
        push_own_address(L, ls);
    else if (strcmp(key, "path") == 0)
        lua_getiuservalue(L, 1, 1);
    else if (strcmp(key, "closed") == 0)
        lua_pushboolean(L, !ls->poll);
    else if (lua_getmetatable(L, 1))
        lua_getfield(L, -1, key);
    return 1;
}

static void push_unix_name(lua_State *L)
{
    lua_pushliteral(L, "listener on ");
    lua_getiuservalue(L, 1, 1);
    lua_concat(L, 2);
}

static int l_tostring(lua_State *L)
{
    listener *ls = check_listener(L);
    if (!ls->poll)
        lua_pushliteral(L, "listener (closed)");
    else if (ls->at.any.sa_family == AF_UNIX)
        push_unix_name(L);
    else
        lua_pushfstring(L, "listener on port %d", rs_net_port(&ls->at.any));
    return 1;
}

static const luaL_Reg methods[] = {
    {"accept", l_accept}, {"close", l_close},   {"__index", l_index}, {"__tostring", l_tostring},
    {"__gc", l_close},    {"__close", l_close}, {NULL, NULL},
};

void rs_listener_register(lua_State *L)
{
    luaL_newmetatable(L, LISTENER);
    luaL_setfuncs(L, methods, 0);
    luaL_newmetatable(L, ACCEPT);
    lua_pushcfunction(L, accept_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 2);
}

/* ---- listening ---- */

/* A socket bound to a and listening, or why not. */
static int open_socket(const struct sockaddr *a, socklen_t len, int backlog)
{
    int on = 1, off = 0;
    int fd = socket(a->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (a->sa_family != AF_UNIX) /* connections that are ending don't keep the port */
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (a->sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd, a, len) == 0 && listen(fd, backlog) == 0)
        return fd;
    int err = -errno;
    close(fd);
    return err;
}

/* The listener owns the socket from here on, also when it fails. */
static int begin(listener *ls, int fd)
{
    socklen_t len = sizeof ls->at;
    uv_poll_t *poll = malloc(sizeof *poll);
    int err = poll ? uv_poll_init(rs_loop_uv(ls->loop), poll, fd) : -ENOMEM;
    if (!err && getsockname(fd, &ls->at.any, &len))
        err = -errno;
    if (err) {
        free(poll);
        close(fd);
        return err;
    }
    ls->fd = fd;
    ls->poll = poll;
    poll->data = ls;
    return 0;
}

/* What listen returns; stack: the listener on top. */
static int result(lua_State *L, int err)
{
    return err ? rs_error_edge(L, err) : 1;
}

static int listen_unix(lua_State *L, listener *ls, const char *path)
{
    struct sockaddr_un un;
    int len = rs_unix_address(path, &un);
    int fd = len < 0 ? len : open_socket((struct sockaddr *)&un, (socklen_t)len, ls->backlog);
    if (fd < 0)
        return result(L, fd);
    if (*path == '/') {
        rs_trace_made(path, true); /* not before: it may have been somebody else's */
        ls->path = strdup(path);
        if (!ls->path || lstat(path, &ls->file))
            memset(&ls->file, 0, sizeof ls->file);
    }
    int err = begin(ls, fd);
    if (err)
        remove_file(ls);
    return result(L, err);
}

/* Tries the addresses of the host until one can be listened on. */
static int listen_on(lua_State *L, listener *ls)
{
    int err = -EADDRNOTAVAIL;
    for (const struct addrinfo *ai = rs_lookup_found(ls->lookup); ai; ai = ai->ai_next) {
        int fd = open_socket(ai->ai_addr, ai->ai_addrlen, ls->backlog);
        err = fd < 0 ? fd : begin(ls, fd);
        if (!err)
            break;
    }
    rs_lookup_free(ls->lookup);
    ls->lookup = NULL;
    return result(L, err);
}

static int looked_up(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    listener *ls = (listener *)ctx;
    int err = rs_lookup_wait(ls->lookup)->status;
    return err ? rs_error_edge(L, err) : listen_on(L, ls);
}

/* Every address of this machine: both families with one socket where there is IPv6. */
static int listen_everywhere(lua_State *L, listener *ls)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)ls->port)};
    int fd = open_socket((struct sockaddr *)&in6, sizeof in6, ls->backlog);
    if (fd < 0 && fd != -EADDRINUSE) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)ls->port)};
        fd = open_socket((struct sockaddr *)&in, sizeof in, ls->backlog);
    }
    return result(L, fd < 0 ? fd : begin(ls, fd));
}

/* As Linux has it by default, and caps it. musl's SOMAXCONN is 128. */
enum { BACKLOG = 4096 };

static int backlog_field(lua_State *L, int i)
{
    if (lua_isnil(L, i))
        return BACKLOG;
    luaL_checktype(L, i, LUA_TTABLE);
    lua_getfield(L, i, "backlog");
    lua_Integer n = luaL_optinteger(L, -1, BACKLOG);
    lua_pop(L, 1);
    return n < 1 ? 1 : n > 65535 ? 65535 : (int)n;
}

static listener *listener_new(lua_State *L)
{
    listener *ls = lua_newuserdatauv(L, sizeof *ls, 1);
    *ls = (listener){.loop = rs_task_loop(L), .fd = -1};
    ls->last = &ls->first;
    luaL_setmetatable(L, LISTENER);
    return ls;
}

/* listen(port, [host, [{backlog=}]]), listen(path, nil, [{backlog=}]): a listener, or nil, text, NAME. Port 0 is a free one;
 * without a host only this machine can connect, with "*" all can. */
int rs_net_listen(lua_State *L)
{
    bool unix_socket = lua_type(L, 1) == LUA_TSTRING && rs_unix_is(rs_net_check_host(L, 1));
    lua_Integer port = unix_socket ? 0 : luaL_checkinteger(L, 1);
    luaL_argcheck(L, port >= 0 && port <= 65535, 1, "not a port");
    const char *host = lua_isnoneornil(L, 2) ? "127.0.0.1" : rs_net_check_host(L, 2);
    lua_settop(L, 3);
    int backlog = backlog_field(L, 3);
    rs_task_check(L);
    listener *ls = listener_new(L);
    ls->port = (int)port;
    ls->backlog = backlog;
    if (unix_socket) {
        lua_pushvalue(L, 1);
        lua_setiuservalue(L, -2, 1);
        return listen_unix(L, ls, lua_tostring(L, 1));
    }
    if (strcmp(host, "*") == 0)
        return listen_everywhere(L, ls);
    int err = rs_lookup_start(ls->loop, host, ls->port, &ls->lookup);
    if (err)
        return result(L, err);
    return rs_task_wait(L, rs_lookup_wait(ls->lookup), (lua_KContext)ls, looked_up);
}
