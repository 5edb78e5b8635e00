/* The event loop: libuv's, with the few things around it that every layer above shares. One a process. */
#ifndef RS_LOOP_LOOP_H
#define RS_LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct uv_loop_s;
struct rs_timers;

typedef struct rs_loop rs_loop;

/* Also ignores SIGPIPE and SIGXFSZ, for the whole process: a write that can't be done says so by itself. */
int rs_loop_new(rs_loop **out);

/* Runs what is still closing, then frees; NULL is fine. A handle that somebody forgot is logged as an error and makes
 * this return false (and leaks, since its owner may still point at it). */
bool rs_loop_free(rs_loop *l);

struct uv_loop_s *rs_loop_uv(rs_loop *l);
struct rs_timers *rs_loop_timers(rs_loop *l);

/* Does what is planned, and handles events once; with block it sleeps until there are some, unless something was planned:
 * that may be what the caller waits for. False when nothing is left that could ever happen. */
bool rs_loop_poll(rs_loop *l, bool block);

/* Something to do before the loop looks for events again, so that what belongs together is done at once. */
typedef struct rs_later rs_later;
struct rs_later {
    void (*run)(rs_later *w);
    rs_later *next, **at; /* at is NULL while it isn't planned */
};

/* Plans it unless it is, in no order; run may plan others, and itself for the next time. It may be freed while it isn't
 * planned. */
void rs_loop_later(rs_loop *l, rs_later *w);
void rs_loop_not_later(rs_later *w);

/* Does what is planned now: for who decides after that whether to block. */
void rs_loop_do_later(rs_loop *l);

/* Monotonic nanoseconds, read from the clock at each call. */
uint64_t rs_loop_now(void);

#endif
