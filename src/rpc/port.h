/* One context's end of a link: a queue of messages that have come, and streams with credit. */
#ifndef RS_RPC_PORT_H
#define RS_RPC_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "loop/stream.h"
#include "loop/wait.h"
#include "rpc/link.h"

typedef struct rs_port rs_port;

typedef struct rs_message {
    struct rs_message *next;
    const void *owner; /* for who takes it */
    uint64_t number;   /* in the order in which they came */
    uint8_t type;
    uint32_t id;
    size_t len, room; /* room is 0 where len was known from the start */
    char data[];
} rs_message;

/* Memory of a long one is put aside for the next: an allocator that maps each anew, as musl's does, takes longer than a copy.
 * NULL is fine. */
void rs_message_free(rs_message *m);

/* The controller's stream numbers are even, the agent's odd. NULL without memory. */
rs_port *rs_port_new(rs_link *k, uint16_t context, bool controller);

/* Its streams end with RS_ECLOSED, also those that others still hold. NULL is fine. */
void rs_port_free(rs_port *p);

int rs_port_send(rs_port *p, uint8_t type, uint32_t id, const void *data, size_t n);

/* The same of bytes that are in several places. */
int rs_port_send_parts(rs_port *p, uint8_t type, uint32_t id, const struct iovec *parts, int n);

/* Whether a message can be sent now; else w is done when one can. Many may wait. */
bool rs_port_room(const rs_port *p);
void rs_port_await_room(rs_port *p, rs_wait *w);

/* The oldest message that has come, which the caller frees (rs_message_free); NULL when there is none. */
rs_message *rs_port_take(rs_port *p);

/* Somebody who waits for one answer; lives on the stack of the waiting call. */
typedef struct rs_answer {
    rs_wait wait;
    uint32_t id;
    bool by_reader; /* as other messages, not by the way round the reader */
    struct rs_answer *next, *before;
} rs_answer;

/* a->wait is done when the REPLY with this id has come, past the reader; rs_port_answer takes it. It goes to the reader as other
 * messages do where that has not taken all that came before, where who waits may run after the reader, or when by_reader is
 * set. Who has it then says rs_port_answered. RS_ECLOSED when the port is freed. */
void rs_port_expect(rs_port *p, rs_answer *a, uint32_t id, bool by_reader);
void rs_port_answered(rs_port *p, uint32_t id);

/* What has come for it, which the caller frees; NULL where the reader got it. */
rs_message *rs_port_answer(rs_port *p, const rs_answer *a);

/* Gives the reader what was taken, before what has come later. */
void rs_port_return(rs_port *p, rs_message *m);

/* w is done when there is one, or when none will come: RS_ECLOSED. One waiter. */
int rs_port_await(rs_port *p, rs_wait *w);

/* w is done when a message has come that no waiter takes at once, or none will come. One waiter. */
int rs_port_stand_by(rs_port *p, rs_wait *w);
bool rs_port_pending(const rs_port *p);

/* Ends that wait if there is a message. */
void rs_port_call_spare(rs_port *p);

/* Why no more will come, or "". */
const char *rs_port_why(const rs_port *p);

/* A new stream to the other side, and its number. NULL without memory. */
rs_stream *rs_port_open(rs_port *p, uint32_t *id);

/* Lets the other side send more at once on a stream. */
void rs_port_widen(rs_port *p, uint32_t id);

/* Ends what we send on one of ours with an error that its reader gets. */
void rs_port_fail(rs_port *p, uint32_t id, const char *name);

/* The stream of a number that the other side gave; NULL when there is none, or it was asked for before. */
rs_stream *rs_port_claim(rs_port *p, uint32_t id);

#endif
