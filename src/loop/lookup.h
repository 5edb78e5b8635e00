/* Names of hosts looked up: numeric addresses at once, the rest on a thread of the pool. */
#ifndef RS_LOOP_LOOKUP_H
#define RS_LOOP_LOOKUP_H

#include "loop/loop.h"
#include "loop/wait.h"

struct addrinfo;

typedef struct rs_lookup rs_lookup;

/* Starts to look a name up for stream sockets with this port. */
int rs_lookup_start(rs_loop *l, const char *name, int port, rs_lookup **out);

/* Done when there is an answer, which may be so from the start. Belongs to the lookup. */
rs_wait *rs_lookup_wait(rs_lookup *k);

/* The addresses, best first, once the wait is done with 0; they belong to the lookup. */
const struct addrinfo *rs_lookup_found(const rs_lookup *k);

/* Also while it is under way. NULL is fine. */
void rs_lookup_free(rs_lookup *k);

#endif
