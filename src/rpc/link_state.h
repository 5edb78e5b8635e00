/* What the files of a link share, and nobody else: link.c has its users, its life and its end, link_out.c sends frames, link_in.c
 * takes those that come. */
#ifndef RS_RPC_LINK_STATE_H
#define RS_RPC_LINK_STATE_H

#include "loop/timer.h"
#include "rpc/link.h"

enum { RS_LINK_LANES = 3, RS_LINK_BUCKETS = 64 };

struct rs_link {
    rs_loop *loop;
    rs_stream *in, *out; /* may be the same */
    rs_wait in_wait, out_wait;
    rs_buf lanes[RS_LINK_LANES];
    rs_lane lane;      /* the one that a frame is being written of */
    size_t unfinished; /* bytes of that frame */
    rs_link_user *users[RS_LINK_BUCKETS], *router;
    rs_link_user *told_next; /* while users are told something */
    size_t nusers;
    uint8_t *retired;    /* a bit for each context; NULL until there is one */
    rs_later later;      /* writing */
    uint64_t sole;       /* whose frames are queued as bulk, where they are one stream's */
    rs_stream *store[2]; /* the ends of a pipe, for payload that goes out unread; NULL until there is some */
    size_t piped;        /* bytes in there, of whole frames; they go before all that is queued */
    rs_frame latest;     /* that came, or has begun to; without its payload */
    rs_frame begun;      /* whose payload comes now: as long as what is still to come of it, 0 for none */
    int paused;
    bool reading, writing, broken, crowded; /* crowded: somebody was told that there is no room */
    rs_timer tick;
    double keepalive;
    bool heard;
    bool heard_bulk; /* payload has gone past us */
    int misses;
    char why[256];
};

/* ---- link.c ---- */

/* The same as rs_link_break, for an error of a stream. */
void rs_link_break_with(rs_link *k, int err);

/* That it is broken, or that its lanes have room. Who is told may unlink itself, or others: a relay reads on, and a context behind
 * it may have ended. */
void rs_link_tell_users(rs_link *k, bool broken);

rs_link_user *rs_link_user_of(const rs_link *k, uint16_t context);
bool rs_link_is_retired(const rs_link *k, uint16_t context);

/* ---- link_out.c ---- */

/* Planned for the end of a turn. */
void rs_link_flush_later(rs_later *w);

/* ---- link_in.c ---- */

/* Takes what has come, and what comes from now on. */
void rs_link_read_on(rs_link *k);

#endif
