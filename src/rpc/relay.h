/* Passes frames on between the link to the controller and processes that we have started: each is at the other end of a link of
 * its own, a branch, behind which others may stand.
 *
 * The controller numbers contexts. A ROUTE says that one will be started by another: from then on its frames are ours to pass on,
 * whether its process is there yet or not.
 *
 *   ROUTE --> waits --(attach)--> flows --(its link ends, or a BYE for it)--> over --(finish: BYE)--> gone
 *                |                                                              ^
 *                +-----------------------(a BYE for it)-------------------------+ */
#ifndef RS_RPC_RELAY_H
#define RS_RPC_RELAY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "loop/stream.h"
#include "loop/wait.h"
#include "rpc/link.h"

typedef struct rs_relay rs_relay;

/* For the link to the controller, over which we are `self`. It must be freed before that link. NULL without memory. */
rs_relay *rs_relay_new(rs_loop *l, rs_link *up, uint16_t self);
void rs_relay_free(rs_relay *r);

/* Joins a process to a context that was routed; takes both streams, also when it fails: RS_ENOENT where there was no such ROUTE.
 * A pid says that it is a child of ours that runs code, and so may be too busy to listen: a CANCEL for it is also said by SIGURG.
 * With 0 it always listens. One that misses heartbeats, as often as the link to the controller has them, is over; a busy one only
 * where a signal has stopped it. */
int rs_relay_attach(rs_relay *r, uint16_t context, rs_stream *in, rs_stream *out, pid_t pid);

/* A branch that is over, once: its context, and why (valid until the next call). False where there is none now. */
bool rs_relay_ended(rs_relay *r, uint16_t *context, const char **why);

/* w is done when there is one, or when the relay ends. One waiter. */
int rs_relay_await(rs_relay *r, rs_wait *w);

/* Tells the controller that a branch and all behind it are gone. */
void rs_relay_finish(rs_relay *r, uint16_t context, const char *why);

#endif
