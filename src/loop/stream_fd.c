/* The source of a stream that is a file descriptor: pipe, socket, terminal or file. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "base/err.h"
#include "loop/stream.h"

/* What splice takes: one of two fds is to be a pipe. */
enum kind { UNKNOWN, PIPE, SOCKET, OTHER };

typedef struct fd_source {
    uv_poll_t poll;
    rs_stream *stream;
    int fd;
    int events;    /* what poll watches now */
    bool pollable; /* files and /dev/null are always ready, epoll refuses them */
    bool shared;
    enum kind kind;
} fd_source;

static bool ready(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    return poll(&p, 1, 0) > 0;
}

static ssize_t result(ssize_t n)
{
    if (n >= 0)
        return n;
    return errno == EWOULDBLOCK ? -EAGAIN : -errno;
}

static ssize_t fd_read(void *source, char *to, size_t n)
{
    fd_source *f = source;
    ssize_t got;
    if (f->shared && f->pollable && !ready(f->fd, POLLIN))
        return -EAGAIN;
    do
        got = read(f->fd, to, n);
    while (got < 0 && errno == EINTR);
    /* The master of a pty says EIO when the last of the other side has gone. */
    if (got < 0 && errno == EIO)
        return 0;
    return result(got);
}

static ssize_t fd_write(void *source, const char *from, size_t n)
{
    fd_source *f = source;
    ssize_t put;
    if (f->shared && f->pollable) {
        if (!ready(f->fd, POLLOUT))
            return -EAGAIN;
        if (n > PIPE_BUF) /* what a ready pipe takes without blocking */
            n = PIPE_BUF;
    }
    do
        put = write(f->fd, from, n);
    while (put < 0 && errno == EINTR);
    return result(put);
}

static void on_poll(uv_poll_t *h, int status, int events)
{
    fd_source *f = h->data;
    if (status < 0) { /* libuv has stopped watching; whoever tries again finds out what is wrong */
        f->events = 0;
        events = UV_READABLE | UV_WRITABLE;
    }
    rs_stream_ready(f->stream, events & (UV_READABLE | UV_DISCONNECT), events & UV_WRITABLE);
}

static void fd_want(void *source, bool in, bool out)
{
    fd_source *f = source;
    int events = (in ? UV_READABLE : 0) | (out ? UV_WRITABLE : 0);
    if (!f->pollable) {
        if (events)
            rs_stream_ready(f->stream, in, out);
        return;
    }
    if (events == f->events)
        return;
    f->events = events;
    if (events)
        uv_poll_start(&f->poll, events, on_poll);
    else
        uv_poll_stop(&f->poll);
}

static void freed(uv_handle_t *h)
{
    free(h->data);
}

static int fd_shutdown(void *source)
{
    fd_source *f = source;
    if (shutdown(f->fd, SHUT_WR) == 0)
        return 0;
    return errno == ENOTSOCK ? 0 : -errno;
}

static void fd_close(void *source)
{
    fd_source *f = source;
    if (f->pollable) {
        uv_poll_stop(&f->poll);
        uv_close((uv_handle_t *)&f->poll, freed);
    }
    close(f->fd);
    if (!f->pollable)
        free(f);
}

static const rs_stream_ops fd_ops = {fd_read, fd_write, fd_want, fd_shutdown, fd_close, NULL, NULL};

/* ---- without reading ---- */

static enum kind look(const fd_source *f)
{
    struct stat st;
    if (f->shared || !f->pollable || fstat(f->fd, &st))
        return OTHER;
    return S_ISFIFO(st.st_mode) ? PIPE : S_ISSOCK(st.st_mode) ? SOCKET : OTHER;
}

/* NULL for a source that bytes can't pass through without being read. */
static fd_source *passable(rs_stream *s)
{
    fd_source *f = rs_stream_source(s, &fd_ops);
    if (f && f->kind == UNKNOWN)
        f->kind = look(f);
    return f && f->kind != OTHER ? f : NULL;
}

bool rs_stream_passable(rs_stream *s)
{
    return passable(s);
}

size_t rs_stream_pending(rs_stream *s)
{
    const fd_source *f = passable(s);
    int n = 0;
    return f && ioctl(f->fd, FIONREAD, &n) == 0 && n > 0 ? (size_t)n : 0;
}

bool rs_stream_splices(rs_stream *from, rs_stream *to)
{
    const fd_source *f = passable(from), *t = to ? passable(to) : NULL;
    return f && t && (f->kind == PIPE || t->kind == PIPE);
}

ssize_t rs_stream_splice(rs_stream *from, rs_stream *to, size_t n)
{
    fd_source *f = passable(from), *t = passable(to);
    ssize_t moved;
    if (!f || !t)
        return -ENOSYS;
    do
        moved = splice(f->fd, NULL, t->fd, NULL, n, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    while (moved < 0 && errno == EINTR);
    if (moved < 0 && (errno == EINVAL || errno == ENOSYS || errno == EPERM)) /* not with this kernel, or in this jail */
        f->kind = t->kind = OTHER;
    return result(moved);
}

void rs_stream_widen(rs_stream *s)
{
    enum { WIDE = 256 * 1024 };
    const fd_source *f = passable(s);
    if (f && f->kind == PIPE)
        (void)fcntl(f->fd, F_SETPIPE_SZ, WIDE);
}

/* libuv makes what it polls non-blocking, which an fd that is shared must not become. */
static int start_polling(rs_loop *l, fd_source *f)
{
    int flags = fcntl(f->fd, F_GETFL);
    int err = uv_poll_init(rs_loop_uv(l), &f->poll, f->fd);
    if (f->shared && flags >= 0)
        fcntl(f->fd, F_SETFL, flags);
    if (err == -EPERM)
        return 0;
    f->pollable = err == 0;
    f->poll.data = f;
    return err;
}

int rs_stream_open_fd(rs_loop *l, int fd, bool shared, rs_stream **out)
{
    fd_source *f = calloc(1, sizeof *f);
    if (!f) {
        close(fd);
        return -ENOMEM;
    }
    f->fd = fd;
    f->shared = shared;
    int err = start_polling(l, f);
    if (err) {
        close(fd);
        free(f);
        return err;
    }
    f->stream = rs_stream_new(&fd_ops, f);
    if (!f->stream)
        return -ENOMEM;
    *out = f->stream;
    return 0;
}

int rs_stream_take_fd(rs_stream *s)
{
    fd_source *f = rs_stream_source(s, &fd_ops);
    if (!f || rs_buf_len(rs_stream_input(s)) > 0)
        return RS_EUSAGE;
    int fd = fcntl(f->fd, F_DUPFD_CLOEXEC, 3);
    if (fd < 0)
        return -errno;
    rs_stream_free(s);
    return fd;
}
