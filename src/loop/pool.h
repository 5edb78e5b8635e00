/* Threads for work that would block. They are made as work comes in, up to 64, and kept: libuv's pool has a fixed number
 * of threads, made all at once, which for 64 takes longer than most commands. */
#ifndef RS_LOOP_POOL_H
#define RS_LOOP_POOL_H

#include <stdbool.h>

#include "loop/loop.h"

typedef struct rs_pool_work rs_pool_work;

/* Lives inside whoever asks, at least until `done` is called. */
struct rs_pool_work {
    void (*run)(rs_pool_work *w);  /* on a worker: no Lua, no loop, no log */
    void (*done)(rs_pool_work *w); /* on the loop's thread, after run has returned; may free w */
    rs_pool_work *next;
};

/* 0, or why no thread could be had: then nothing is called. */
int rs_pool_run(rs_loop *l, rs_pool_work *w);

/* True when nobody had begun with it: then nothing is called any more. */
bool rs_pool_cancel(rs_loop *l, rs_pool_work *w);

/* ---- for loop.c ---- */

struct rs_pool;

/* Ends the threads. False when some are stuck in their work: then all of it is left as it is. NULL is fine. */
bool rs_pool_free(struct rs_pool *p);

struct rs_pool **rs_loop_pool(rs_loop *l);

#endif
