/* The signals that end a program. The first asks it to unwind, the second ends it at once. */
#ifndef RS_LOOP_SIGNAL_H
#define RS_LOOP_SIGNAL_H

#include <stdbool.h>

#include "loop/loop.h"
#include "loop/wait.h"

/* Handles INT, TERM and HUP, but not one that was ignored when we were started (nohup). in_handler runs in the signal
 * handler, so it may only do what a handler may; on_loop runs later, on the loop. Both run for the first signal only. */
int rs_signal_init(rs_loop *l, void (*in_handler)(void), void (*on_loop)(int sig, void *user), void *user);
void rs_signal_fini(void);

/* The first signal that came, or 0. */
int rs_signal_seen(void);

/* From now on an INT is no reason to end, however many come: in_handler runs in the handler, on_loop later, each time. For
 * a prompt, where it ends what a line has started. With NULL it is one again. */
void rs_signal_divert_int(void (*in_handler)(void), void (*on_loop)(void *user), void *user);

/* Whether one came that on_loop has yet to be told of. */
bool rs_signal_diverted(void);

/* The next INT ends w instead of the program: for what shows something first. One waiter, RS_EUSAGE when there is one. */
int rs_signal_await(rs_wait *w);

/* Ends the process by this signal, as if it had not been handled. */
_Noreturn void rs_signal_die(int sig);

#endif
