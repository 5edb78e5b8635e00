/* What an SSH connection's round trips are for: RSHELL_TRACE. A trip begins with what is sent while none is under way, and
 * is over when something comes in. */
#ifndef RS_SSH_TRACE_H
#define RS_SSH_TRACE_H

#include "ssh/session.h"

typedef struct rs_ssh_trace rs_ssh_trace;

struct ssh_counter_struct;

/* The counter is of bytes on the socket. NULL without memory; all functions take that. */
rs_ssh_trace *rs_ssh_trace_new(const struct ssh_counter_struct *counter, const char *host);
void rs_ssh_trace_free(rs_ssh_trace *t);

void rs_ssh_trace_sent(rs_ssh_trace *t, const char *what);

/* After libssh has read what there was, and when a round of events is over; steps are those that wait. */
void rs_ssh_trace_got(rs_ssh_trace *t, const rs_ssh_step *steps);
void rs_ssh_trace_pumped(rs_ssh_trace *t, const rs_ssh_step *steps);

#endif
