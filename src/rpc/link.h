/* One pair of byte streams that carries everything between two sides: messages, bulk data, liveness.
 *
 * Frames leave through three lanes. What is urgent goes first; messages and bulk take turns, a frame each, so that neither
 * is ever behind more than a frame of the other. Each context (see doc/protocol.md) has a user here that gets its frames. */
#ifndef RS_RPC_LINK_H
#define RS_RPC_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop/loop.h"
#include "loop/stream.h"
#include "wire/frame.h"

typedef struct rs_link rs_link;

enum { RS_LINK_PIECE = 32 * 1024 - 12 }; /* bytes of a stream in one frame: with its head it fills one packet of SSH */

typedef enum rs_lane { RS_LANE_URGENT, RS_LANE_MESSAGE, RS_LANE_BULK } rs_lane;

/* Inside whoever takes the frames of one context. No call may free the link or its streams, or run Lua. */
typedef struct rs_link_user rs_link_user;
struct rs_link_user {
    void (*frame)(rs_link_user *u, const rs_frame *f); /* valid during the call */
    void (*room)(rs_link_user *u);                     /* the lanes have room again */
    void (*broken)(rs_link_user *u);                   /* nothing more will come; to be unlinked by its owner */
    void (*pong)(rs_link_user *u, uint32_t id);        /* may be NULL */
    /* Where the payload of a frame that is still on its way may go past us, or NULL; may be NULL. And that n bytes did. */
    rs_stream *(*sink)(rs_link_user *u, const rs_frame *f);
    void (*passed)(rs_link_user *u, const rs_frame *f, size_t n);
    uint16_t context;
    rs_link *link; /* NULL before rs_link_add and after rs_link_del */
    rs_link_user *next;
};

/* Takes both streams, also when it fails (NULL, without memory); they may be the same one. Without one of them it gets that
 * later: what it sends waits. */
rs_link *rs_link_new(rs_loop *l, rs_stream *in, rs_stream *out);

/* The streams that it was made without; takes them. NULL for one that stays as it is. */
void rs_link_join(rs_link *k, rs_stream *in, rs_stream *out);

/* Sends what it can without waiting, then frees; its users are told that it is broken and unlinked. NULL is fine. */
void rs_link_free(rs_link *k);

/* Gives a context's frames to a user. Those of a context without one break the link. */
void rs_link_add(rs_link *k, rs_link_user *u, uint16_t context);
void rs_link_del(rs_link_user *u);
bool rs_link_has(const rs_link *k, uint16_t context);

/* A context is over: its user, if it has one, is unlinked, and what still comes for it is dropped. */
void rs_link_retire(rs_link *k, uint16_t context);

/* Who gets ROUTE frames, whatever their context; without one they break the link. NULL takes it back. */
void rs_link_set_router(rs_link *k, rs_link_user *u);

/* Queues a message or a part of a stream, in as many frames as it takes; it goes out with all else that is queued in this turn
 * of the loop. Dropped when the link is broken. */
int rs_link_send(rs_link *k, rs_lane lane, uint8_t type, uint16_t context, uint32_t id, const void *data, size_t n);

/* Whether bytes can go from there into frames without being read. */
bool rs_link_passes(rs_link *k, rs_stream *from);

/* Whether payload can come past us: then even a whole one is passed on at once, so that the next can. */
bool rs_link_unread(const rs_link *k);

/* Whether a stream has to wait until it can send more bytes so: some are under way, or its own are queued. */
bool rs_link_passing(const rs_link *k, uint16_t context, uint32_t id);

/* Sends n bytes that stand ready in `from`, without reading them: how many, -EAGAIN while rs_link_passing, -ENOSYS where they are
 * to be read. */
ssize_t rs_link_pass(rs_link *k, uint8_t type, uint16_t context, uint32_t id, rs_stream *from, size_t n);

/* Sends now what it can without waiting. */
void rs_link_flush(rs_link *k);

/* Queues a frame as it is. */
int rs_link_forward(rs_link *k, const rs_frame *f);

/* The lane of a frame that is passed on. */
rs_lane rs_link_lane(uint8_t type);

/* Whether a lane has room for more without growing past its usual size. */
bool rs_link_room(const rs_link *k, rs_lane lane);

/* Stops and restarts taking frames off the stream; counted. */
void rs_link_pause(rs_link *k, bool on);

/* Seconds of silence before a PING, three of which unanswered break the link; 0 for none. */
void rs_link_keepalive(rs_link *k, double seconds);
double rs_link_heartbeat(const rs_link *k); /* these seconds */

/* Why nothing goes any more, or "". Valid as long as the link. */
const char *rs_link_why(const rs_link *k);

/* Breaks it. */
void rs_link_break(rs_link *k, const char *why);

#endif
