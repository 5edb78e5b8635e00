/* Channels: a program over there with its three streams, or one connection passed through. */
#ifndef RS_SSH_CHANNEL_H
#define RS_SSH_CHANNEL_H

#include <stdbool.h>

#include "loop/stream.h"
#include "ssh/session.h"

typedef struct rs_ssh_channel rs_ssh_channel;

/* What a program left; known once ended. */
typedef struct rs_ssh_exit {
    bool ended;
    int code;        /* -1 where there is none */
    char signal[16]; /* "KILL", or "" */
} rs_ssh_exit;

/* A channel that isn't open yet; `program`: it takes one of the server's places until both sides have closed it. Counted:
 * each holder calls put once, the streams are holders of their own. NULL without memory. */
rs_ssh_channel *rs_ssh_channel_new(rs_ssh *s, bool program);
void rs_ssh_channel_put(rs_ssh_channel *c);

/* Accepts a channel that the server has offered; NULL when that can't be. To be called inside libssh's callbacks only. */
rs_ssh_channel *rs_ssh_channel_take(rs_ssh *s, struct ssh_message_struct *message);

/* Requests, as steps; `step` is inside the request. One at a time a channel. RS_EPROTO with rs_ssh_refusal when the server says
 * no. */
typedef struct rs_ssh_request {
    rs_ssh_step step;
    rs_ssh_channel *channel;
    const char *text; /* a command, a subsystem, a host or a path; the caller keeps it until the step is done */
    const char *value;
    int a, b;
} rs_ssh_request;

/* What is behind a channel. */
enum rs_ssh_to { RS_SSH_SESSION, RS_SSH_TCP, RS_SSH_UNIX };

/* Opens c: `where` is a host or a path, copied. NULL without memory. The request is the caller's, who frees it once its wait is
 * done; when the wait is abandoned the channel is closed as soon as the server has opened it. */
rs_ssh_request *rs_ssh_open(rs_ssh *s, rs_ssh_channel *c, enum rs_ssh_to to, const char *where, int port);
void rs_ssh_request_free(rs_ssh_request *r);

int rs_ssh_await_room(rs_ssh *s, rs_ssh_step *step); /* until fewer than a places are taken; needs no channel */
int rs_ssh_exec(rs_ssh *s, rs_ssh_step *step);       /* text: command */
int rs_ssh_subsystem(rs_ssh *s, rs_ssh_step *step);  /* text: name */
int rs_ssh_pty(rs_ssh *s, rs_ssh_step *step);        /* text: TERM, a: rows, b: columns */
int rs_ssh_setenv(rs_ssh *s, rs_ssh_step *step);     /* text, value; never fails: servers accept few */

/* Without waiting. */
int rs_ssh_channel_signal(rs_ssh_channel *c, const char *name);
int rs_ssh_channel_resize(rs_ssh_channel *c, int rows, int cols);

/* Its streams; to be asked for once each, and freed by who asked. */
rs_stream *rs_ssh_channel_in(rs_ssh_channel *c);
rs_stream *rs_ssh_channel_out(rs_ssh_channel *c);
rs_stream *rs_ssh_channel_err(rs_ssh_channel *c);
/* Both directions in one stream, for a connection passed through. */
rs_stream *rs_ssh_channel_both(rs_ssh_channel *c);

rs_ssh_exit rs_ssh_channel_exit(const rs_ssh_channel *c);

/* Done when the program has ended, RS_EUSAGE when there is a waiter already; and once before that, when it has first
 * printed something for a stream that was closed: SSH can't close one direction, so it doesn't know. */
int rs_ssh_channel_await_exit(rs_ssh_channel *c, rs_wait *w);

/* Whether it has printed such things since the last call. */
bool rs_ssh_channel_unread(rs_ssh_channel *c);

/* Closes it at once, whatever runs there. */
void rs_ssh_channel_close(rs_ssh_channel *c);

/* Why the server refused the last request on this connection. Valid until the next call. */
const char *rs_ssh_refusal(rs_ssh *s);

#endif
