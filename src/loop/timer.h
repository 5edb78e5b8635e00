/* Timers: nodes inside other structures, ordered in one heap that one libuv timer drives. A node may be freed as soon as it
 * is stopped, which a libuv handle may not. */
#ifndef RS_LOOP_TIMER_H
#define RS_LOOP_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop/loop.h"

typedef struct rs_timer {
    size_t slot; /* place in the heap + 1; 0 while it isn't running */
    uint64_t at; /* rs_loop_now() at which it fires */
    void (*fire)(struct rs_timer *t);
} rs_timer;

/* Starts or restarts; a time that has passed fires at the next poll. -ENOMEM is the only failure; a timer that ran before is
 * stopped then. fire may start and stop timers, also its own. */
int rs_timer_start(rs_loop *l, rs_timer *t, double seconds, void (*fire)(rs_timer *t));
void rs_timer_stop(rs_loop *l, rs_timer *t);
bool rs_timer_running(const rs_timer *t);

/* For loop.c. */
struct rs_timers *rs_timers_new(rs_loop *l);
void rs_timers_free(struct rs_timers *ts);

#endif
