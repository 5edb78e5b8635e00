/* One thing that somebody waits for.
 *
 * A wait lives inside the operation that will end it (or beside it, on the waiter's Lua stack). The operation calls
 * rs_wait_done once; that calls wake, which never runs Lua: it marks a task ready. A waiter that gives up first calls
 * rs_wait_abandon: the operation forgets the wait and never touches it again. */
#ifndef RS_LOOP_WAIT_H
#define RS_LOOP_WAIT_H

#include <stdbool.h>

typedef struct rs_wait rs_wait;
struct rs_wait {
    bool done;
    int status;                  /* 0 or a negative rs_err, valid once done */
    void (*wake)(rs_wait *w);    /* set by the waiter, NULL while nobody waits */
    void *waiter;                /* the waiter's */
    void (*abandon)(rs_wait *w); /* set by the operation: its waiter has given up */
    void *op;                    /* the operation's */
};

/* Both functions do nothing on a wait that is done. */
void rs_wait_init(rs_wait *w, void (*abandon)(rs_wait *w), void *op);
void rs_wait_done(rs_wait *w, int status);
void rs_wait_abandon(rs_wait *w);

#endif
