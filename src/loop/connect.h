/* Connections to be made: the name is looked up, and its addresses are tried without blocking, the next one when the one
 * before has failed or hasn't answered for 250 ms. */
#ifndef RS_LOOP_CONNECT_H
#define RS_LOOP_CONNECT_H

#include "loop/loop.h"
#include "loop/wait.h"

typedef struct rs_connect rs_connect;

/* host is a name or an address; or, whatever the port is, the absolute path of a unix socket, or "@name" for one in the
 * abstract namespace. from: NULL, or an address of ours that the connection shall come from ("0.0.0.0" and "::" are any of that
 * family); only addresses of its family are tried. */
int rs_connect_start(rs_loop *l, const char *host, int port, const char *from, rs_connect **out);

/* Done when connected, or when no address is left to try; may be so from the start. Belongs to the connection; who abandons
 * it stops all attempts. */
rs_wait *rs_connect_wait(rs_connect *c);

/* The socket, once the wait is done with 0: non-blocking, closed on exec, TCP_NODELAY set; the caller closes it. */
int rs_connect_take(rs_connect *c);

/* Also while it is under way. NULL is fine. */
void rs_connect_free(rs_connect *c);

struct sockaddr_un;

/* Whether host is a unix socket's. */
int rs_unix_is(const char *host);

/* The address of such a host: its length, or -ENAMETOOLONG. */
int rs_unix_address(const char *host, struct sockaddr_un *out);

#endif
