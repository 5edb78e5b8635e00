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
} rs_stream_ops;

/* Takes the source, also when it fails (NULL, without memory). */
rs_stream *rs_stream_new(const rs_stream_ops *ops, void *source);

/* Takes fd, also when it fails. It is made non-blocking unless shared: an fd that other processes use too (our standard
 * input) is only touched when it is ready. */
int rs_stream_open_fd(rs_loop *l, int fd, bool shared, rs_stream **out);

/* The fd of a stream that rs_stream_open_fd made; s is freed. RS_EUSAGE, with s untouched, for another source, or when bytes
 * were read that nobody took. */
int rs_stream_take_fd(rs_stream *s);

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

/* Whether the last read has got less than it could, so that one more would most likely find nothing: who waits is told. */
bool rs_stream_drained(const rs_stream *s);

/* Writes without waiting: how many bytes were taken, or an error; 0 when there is no room now. */
ssize_t rs_stream_write(rs_stream *s, const char *data, size_t n);

int rs_stream_shutdown(rs_stream *s);

/* Whether somebody waits for input. */
bool rs_stream_awaited_in(const rs_stream *s);

/* w is done when reading (writing) can get on; one waiter a direction, RS_EUSAGE when there is one. */
int rs_stream_await_in(rs_stream *s, rs_wait *w);
int rs_stream_await_out(rs_stream *s, rs_wait *w);

#endif
