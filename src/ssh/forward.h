/* A port over there whose connections the server passes to us, each as a channel. */
#ifndef RS_SSH_FORWARD_H
#define RS_SSH_FORWARD_H

#include <stdbool.h>

#include "loop/wait.h"
#include "ssh/channel.h"
#include "ssh/session.h"

typedef struct rs_ssh_forward rs_ssh_forward;

/* Who came, and from where. */
typedef struct rs_ssh_guest {
    rs_ssh_channel *channel; /* the holder's, who puts it */
    char address[64];
    int port;
} rs_ssh_guest;

/* Lives inside whoever waits for a connection. */
typedef struct rs_ssh_accept rs_ssh_accept;
struct rs_ssh_accept {
    rs_wait wait;
    rs_ssh_guest guest; /* once wait is done with 0; the waiter's */
    rs_ssh_accept *next, **at;
    rs_ssh_forward *owner;
};

/* Asks the server to listen on a port (not 0) of host: "localhost", "" for every address, or one of them. A session has one of
 * these a port, since connections are told apart by it alone. NULL without memory. */
rs_ssh_forward *rs_ssh_forward_new(rs_ssh *s, const char *host, int port);

/* Done when the server has answered: 0, RS_EPROTO when it refuses, RS_ECLOSED. */
rs_wait *rs_ssh_forward_opening(rs_ssh_forward *f);

/* a->wait is done when a connection is there, perhaps at once; RS_ECLOSED once f is closed. */
void rs_ssh_forward_accept(rs_ssh_forward *f, rs_ssh_accept *a);

/* Nothing more comes from it. Asks the server to listen no more: what is returned is done when it has answered; NULL when there
 * is nothing to wait for. */
rs_wait *rs_ssh_forward_close(rs_ssh_forward *f);

bool rs_ssh_forward_closed(const rs_ssh_forward *f);

/* Closes it if need be and frees it, perhaps later; nobody waits for anything of it. NULL is fine. */
void rs_ssh_forward_free(rs_ssh_forward *f);

#endif
