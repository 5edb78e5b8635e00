/* Byte streams with backpressure: nothing is read before somebody wants it, and a write takes only what the other side has
 * room for. A file descriptor is one source; others (channels, frames) bring their own operations. */
#ifndef RS_LOOP_STREAM_H
#define RS_LOOP_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"
#include "loop/loop.h"
#include "loop/wait.h"

typedef struct rs_stream rs_stream;

/* What a source can do; none of these waits. */
typedef struct rs_stream_ops {
    /* At most n bytes: their number, 0 at the end, -EAGAIN when there are none now, or an error. */
    ssize_t (*read)(void *source, char *to, size_t n);
    /* How many were taken (at least 1), -EAGAIN when there is no room now, or an error. */
    ssize_t (*write)(void *source, const char *from, size_t n);
    /* From now on call rs_stream_ready when reading, or writing, could get on; with false no more. */
    void (*want)(void *source, bool in, bool out);
    /* No more bytes will be written. */
    int (*shutdown)(void *source);
    /* Frees the source. */
    void (*close)(void *source);
    /* May be NULL. Gives all that has come to `to`, which is empty, by exchanging their memory; false where that can't be. */
    bool (*take)(void *source, rs_buf *to);
    /* May be NULL. As write, of bytes that stand ready in `from` and aren't read; -ENOSYS where they are to be read and written. */
    ssize_t (*pass)(void *source, rs_stream *from);
} rs_stream_ops;

/* Who waits for input only to write it elsewhere, and has nothing left to write: what comes may go there at once. */
typedef struct rs_sink rs_sink;
struct rs_sink {
    rs_stream *(*to)(rs_sink *k); /* NULL while somebody else writes there */
    void (*took)(rs_sink *k, size_t n);
};

/* Takes the source, also when it fails (NULL, without memory). */
rs_stream *rs_stream_new(const rs_stream_ops *ops, void *source);

/* Takes fd, also when it fails. It is made non-blocking unless shared: an fd that other processes use too (our standard
 * input) is only touched when it is ready. */
int rs_stream_open_fd(rs_loop *l, int fd, bool shared, rs_stream **out);

/* The fd of a stream that rs_stream_open_fd made; s is freed. RS_EUSAGE, with s untouched, for another source, or when bytes
 * were read that nobody took. */
int rs_stream_take_fd(rs_stream *s);

/* How many bytes stand ready to be read in a pipe or socket of rs_stream_open_fd's; 0 for another source. */
size_t rs_stream_pending(rs_stream *s);

/* Whether it is a pipe or a socket that nobody else uses. */
bool rs_stream_passable(rs_stream *s);

/* Whether bytes can go from one to the other within the kernel: both are pipes, or one is and the other a socket. Not to
 * NULL. */
bool rs_stream_splices(rs_stream *from, rs_stream *to);

/* Moves at most n bytes so: their number, 0 at the end, -EAGAIN when there are none or no room for them, or an error. */
ssize_t rs_stream_splice(rs_stream *from, rs_stream *to, size_t n);

/* A pipe that carries much has room for more at once, if the system allows it. */
void rs_stream_widen(rs_stream *s);

/* The source, if it has these operations; else NULL. */
void *rs_stream_source(rs_stream *s, const rs_stream_ops *ops);

/* Closes and frees; who waits is woken with RS_ECLOSED. NULL is fine. */
void rs_stream_free(rs_stream *s);

/* The source says: try again. */
void rs_stream_ready(rs_stream *s, bool in, bool out);

/* The bytes that were read and not consumed; the caller consumes from it. */
rs_buf *rs_stream_input(rs_stream *s);

/* Reads without waiting until at least n bytes are in the input: 0, -EAGAIN when more may come, RS_EEOF at the end, or an
 * error. Bytes that were read stay in the input whatever is returned. */
int rs_stream_fill(rs_stream *s, size_t n);

/* The same, but what comes behind the first n bytes isn't read. */
int rs_stream_fill_only(rs_stream *s, size_t n);

/* Whether the last read has got less than it could, so that one more would most likely find nothing: who waits is told. */
bool rs_stream_drained(const rs_stream *s);

/* Writes without waiting: how many bytes were taken, or an error; 0 when there is no room now. */
ssize_t rs_stream_write(rs_stream *s, const char *data, size_t n);

/* Passes on bytes that stand ready in `from` without reading them: how many, -EAGAIN when there is no room now, -ENOSYS where it
 * can't be done or isn't worth it, or an error. */
ssize_t rs_stream_pass(rs_stream *from, rs_stream *to);

int rs_stream_shutdown(rs_stream *s);

/* Whether somebody waits for input. */
bool rs_stream_awaited_in(const rs_stream *s);

/* w is done when reading (writing) can get on; one waiter a direction, RS_EUSAGE when there is one. */
int rs_stream_await_in(rs_stream *s, rs_wait *w);
int rs_stream_await_out(rs_stream *s, rs_wait *w);

/* Until who waits for input is woken or gives up, what comes may go to k. */
void rs_stream_offer(rs_stream *s, rs_sink *k);

/* Where what comes may go now, a pipe or a socket, or NULL. And that n bytes went there. */
rs_stream *rs_stream_sink(rs_stream *s);
void rs_stream_took(rs_stream *s, size_t n);

#endif
