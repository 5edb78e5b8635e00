/* Tasks: coroutines that C parks on a wait and resumes when it is done.
 *
 * All Lua code runs inside a task. Code that waits reads as if it blocked; the loop goes on. Lua never runs inside a callback
 * of libuv: a callback ends a wait, which puts its task on the ready list, and a loop turn resumes it. */
#ifndef RS_LOOP_TASK_H
#define RS_LOOP_TASK_H

#include <lua.h>
#include <stdbool.h>

#include "loop/loop.h"
#include "loop/wait.h"

typedef struct rs_task rs_task;

/* Makes tasks possible in this Lua state: to be called once, on its main thread, before any other coroutine exists.
 * Replaces what `coroutine` holds and leaves the module table of tasks (spawn, sleep ...) in package.loaded["rshell.task"]. The loop
 * stays the caller's. */
void rs_task_init(lua_State *L, rs_loop *loop);

/* Runs the function below its nargs arguments as the main task, with loop turns until it has ended. Leaves its results and
 * returns LUA_OK, or leaves the error value and a traceback and returns LUA_ERRRUN. */
int rs_task_main(lua_State *L, int nargs);

/* Cancels every other task and runs turns until they have unwound, seconds at most. */
void rs_task_shutdown(lua_State *L, double seconds);

/* The loop of this state. */
rs_loop *rs_task_loop(lua_State *L);

/* Waits until w is done, then goes on with k(L, status, ctx), as lua_callk does: `return rs_task_wait(...)`. k finds the
 * stack as it was. w must stay where it is until k runs or the wait is abandoned: keep its owner on the stack. An abort of
 * the task (cancel, timeout) abandons w and raises in place of k. Where Lua can't yield, loop turns run inside this call. */
int rs_task_wait(lua_State *L, rs_wait *w, lua_KContext ctx, lua_KFunction k);

/* The same; after so many seconds (negative: never) w is abandoned and k runs with w->status RS_ETIMEOUT. */
int rs_task_wait_for(lua_State *L, rs_wait *w, double seconds, lua_KContext ctx, lua_KFunction k);

/* For what is there already: whether who would wait for it may go on. False now and then, so that others get a turn: the wait
 * is to be made, and done, then. Raises as a wait does. */
bool rs_task_goes_on(lua_State *L);

/* For operations with many waits: where Lua can't yield, waits inside this call and returns true, so that the operation goes
 * on in a loop (continuations would nest); w->status is as above. Elsewhere false: `return rs_task_wait_for(...)`. */
bool rs_task_wait_here(lua_State *L, rs_wait *w, double seconds);

/* Whether who waits with w is suspended on the C stack: it may run after tasks that are woken later. All others run in the order
 * in which they are woken. */
bool rs_task_waits_in_place(const rs_wait *w);

/* Raises kind `usage` unless the caller is a Lua state that runs inside a task. */
void rs_task_check(lua_State *L);

/* From a signal handler: cancels the main task, and interrupts Lua code that is running now. */
void rs_task_interrupt(void);

/* From a signal handler: Lua code that is running now lets the loop have a turn, in which it may be cancelled. */
void rs_task_nudge(void);

/* The same for a prompt: who keeps the loop from turning after that is cancelled. */
void rs_task_interrupt_front(void);

/* Cancels the task that task.front() has named; false where there is none. Not from a signal handler. */
bool rs_task_cancel_front(lua_State *L);

/* Cancels the main task; the error's message is why. Not from a signal handler. */
void rs_task_cancel_main(lua_State *L, const char *why);

#endif
