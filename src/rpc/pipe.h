/* The streams of one context: bytes both ways under a number, each way with credit.
 *
 * A sender may have CREDIT bytes under way that the reader hasn't taken; a reader that takes them gives new credit. END says
 * that no more will be sent, STOP that no more will be read. */
#ifndef RS_RPC_PIPE_H
#define RS_RPC_PIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop/stream.h"
#include "rpc/link.h"

typedef struct rs_pipe rs_pipe;

enum { RS_PIPE_BUCKETS = 64 };

typedef struct rs_pipes {
    rs_link_user *user;  /* whose frames they are */
    uint32_t next, seen; /* our next number; the largest of the other side's */
    int unclaimed;       /* the other side's that nobody has asked for yet */
    size_t early;        /* bytes that came for these */
    unsigned turn;       /* the bucket whose writers have their turn first */
    rs_pipe *buckets[RS_PIPE_BUCKETS];
} rs_pipes;

/* The controller's numbers are even, from 2 on, the agent's odd, from 3 on. */
void rs_pipes_init(rs_pipes *ps, rs_link_user *user, bool controller);

/* Its streams, which others still hold, end with RS_ECLOSED. */
void rs_pipes_fini(rs_pipes *ps);

/* DATA, CREDIT, END and STOP. RS_EPROTO for what breaks the protocol; what is for a stream that was closed is dropped. */
int rs_pipes_frame(rs_pipes *ps, const rs_frame *f);

/* Where the payload of a DATA frame may go that is still on its way: a pipe or a socket; NULL where it is to come as any other.
 * And that n bytes of it went there. */
rs_stream *rs_pipes_sink(rs_pipes *ps, const rs_frame *f);
void rs_pipes_passed(rs_pipes *ps, uint32_t id, size_t n);

/* Lets the other side send more at once on one that carries much; once is enough. */
void rs_pipes_widen(rs_pipes *ps, uint32_t id);

/* Ends what we send on one of our own: its reader gets the error of this name. */
void rs_pipes_fail(rs_pipes *ps, uint32_t id, const char *name);

/* The link has room again, or is broken: who waits is told. */
void rs_pipes_tell(rs_pipes *ps);

/* A new one, and its number; NULL without memory. */
rs_stream *rs_pipes_open(rs_pipes *ps, uint32_t *id);

/* One that the other side has named; NULL when it wasn't, or was claimed before. */
rs_stream *rs_pipes_claim(rs_pipes *ps, uint32_t id);

#endif
