/* What the files of a task share, and nobody else: task.c runs them, task_abort.c ends their waits, task_interrupt.c the code
 * that runs, task_await.c waits for them, task_stuck.c finds waits that would never end, task_report.c tells of failures that
 * nobody saw, task_lua.c is the module. */
#ifndef RS_LOOP_TASK_STATE_H
#define RS_LOOP_TASK_STATE_H

#include <lua.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop/task.h"
#include "loop/task_co.h"
#include "loop/timer.h"

#define RS_TASK "rshell.Task"
#define RS_MAX_DEPTH 100      /* nested waits where Lua can't yield; each takes C stack */
#define RS_SHIELD_SECONDS 5.0 /* how long the closers of a cancelled task may wait */

/* User values of a task. */
enum { UV_CO = 1, UV_RESULTS, UV_LOCALS, UV_TRACE, UV_COUNT = UV_TRACE };

/* Someone who waits for tasks to end; nodes live in an await block, on the stack of who awaits. */
typedef struct observer {
    struct observer *next, **at; /* at is NULL while in no list */
    rs_wait *wait;
    rs_task *target;
} observer;

/* A call with a time limit; lives on the stack of the function that runs it, and keeps its task and coroutine alive. Its time
 * goes on while the coroutine is suspended by its user; being over, it aborts only what runs in that coroutine. */
typedef struct scope {
    rs_timer timer;
    rs_task *task; /* NULL once it has ended */
    lua_State *co;
    struct scope *outer;
    double seconds;
    bool over; /* its time */
} scope;

/* A task's life:
 *
 *   NEW ----> RUNNING ----> DONE
 *              |   ^
 *              v   |    (its wait is done, its time is over, or it was aborted)
 *             PARKED
 */
enum state { NEW, RUNNING, PARKED, DONE };

struct rs_task {
    struct sched *sched;
    lua_State *co;
    enum state state;
    bool queued;   /* on the ready list */
    bool in_place; /* waits in place: suspended below on the C stack */
    bool failed, observed, timed_out;
    bool has_locals;      /* in UV_LOCALS */
    bool eager, reported; /* its failure is told at once, and has been told */
    int nresults;         /* in UV_RESULTS: none, itself, or a table of them */
    rs_task *next_ready;
    uint64_t stamp; /* of the turn in which it became ready */
    observer *observers;
    int level; /* its index among those that wait in place */
    /* The search for deadlocks. */
    uint64_t seen;
    rs_task *to_visit;
    /* The current wait; one at a time. */
    rs_wait *wait;
    lua_KFunction k;
    lua_KContext ctx;
    uint64_t deadline; /* 0: none */
    rs_timer timer;
    /* Aborts are raised at every wait: a cancel from now on, a timeout until its scope has unwound. The error object is made
     * when it is raised, since who aborts may be a callback. */
    const char *cancelled; /* why; static text, NULL while it isn't */
    const char *failure;   /* the current wait can't go on: raised once, as kind `usage`; static text */
    scope *scopes;         /* innermost timeout */
    int shield;            /* closers under way */
    uint64_t shield_end;
    int raises;       /* how often an abort was raised by a wait */
    int burst, quick; /* how often it is interrupted at a time, and how often more this time */
};

typedef struct sched {
    lua_State *L; /* main thread */
    rs_loop *loop;
    rs_task *current, *main;
    rs_task *ready, **ready_end;
    bool parking; /* a coroutine yields because it waits, not for its user */
    int depth;    /* nested in-place waits */
    rs_task *in_place[RS_MAX_DEPTH + 1];
    int at_once;
    uint64_t stamp;  /* counts turns */
    uint64_t search; /* counts searches for deadlocks */
    bool unreported;
    char *stack; /* where the C stack was when we began, and how much of it waits in place may take */
    size_t stack_max;
    lua_State *volatile running;
    atomic_bool interrupted, nudged;
    int deferrals;         /* how often the turn that a nudge wants was put off */
    rs_task *front;        /* what an interrupt of a prompt is for; NULL where nothing runs */
    atomic_bool impatient; /* code that goes on after a nudge is a hog */
    uint64_t hog_since;    /* the stamp of that turn */
} sched;

/* Waits for the first of n tasks to end. */
typedef struct await_block {
    rs_wait wait;
    int n;
    observer nodes[];
} await_block;

/* Every thread of a Lua state carries the scheduler's address, copied from the main thread at its birth; the low bits are
 * notes about that thread (task_co.h). */
static inline uintptr_t *rs_sched_tag(lua_State *L)
{
    return (uintptr_t *)lua_getextraspace(L);
}

static inline sched *rs_sched_of(lua_State *L)
{
    return (sched *)(*rs_sched_tag(L) & ~(uintptr_t)RS_CO_NOTES);
}

/* ---- task.c ---- */

void rs_task_push(lua_State *L, rs_task *t);
rs_task *rs_task_check_arg(lua_State *L, int i);
void rs_task_make_ready(rs_task *t);

/* Makes a task of the function below its nargs arguments, and leaves it in their place. */
rs_task *rs_task_new(lua_State *L, sched *s, int nargs);

/* Pushes the results of the task at index i; how many. */
int rs_task_push_values(lua_State *L, int i);

/* Loop turns inside this call, at least one, until the current task's wait is over. Other tasks run meanwhile; waits that nest
 * here end last in, first out. */
void rs_task_wait_in_place(sched *s, rs_task *t);

/* Nothing ends the task's wait yet. */
bool rs_task_must_go_on(const rs_task *t);

/* ---- task_abort.c: time limits, cancels, shields ---- */

/* The timeout that aborts the task: the outermost whose time is over. */
const scope *rs_task_aborting_scope(const rs_task *t);
bool rs_task_aborted(const rs_task *t);

/* It was aborted, and no closer of it has time left. */
bool rs_task_deliverable(const rs_task *t);

/* The timer runs until the wait's deadline, or until an aborted task's closers have had their time. */
int rs_task_arm_timer(rs_task *t);

/* Cancels unless that has happened; true when it made a difference. why is static text. */
bool rs_task_cancel(rs_task *t, const char *why);

/* timeout(seconds, fn, ...) */
int rs_task_timeout(lua_State *L);

/* shield(fn, ...): the waits of a closer are not aborted, for 5 s at most. */
int rs_task_shield(lua_State *L);

void rs_task_abort_init(lua_State *L);

/* ---- task_interrupt.c: code that doesn't wait ---- */

/* Raises what the task was aborted with. */
int rs_task_raise_abort(lua_State *L, rs_task *t);

/* The task goes on with what it has waited for. If it was aborted meanwhile, that is raised at its next wait, or amid code that
 * goes on for long without one. */
void rs_task_limit(lua_State *L, const rs_task *t);

/* An interrupt concerns a task, whichever of its coroutines runs. */
void rs_task_pass_interrupt(lua_State *from, lua_State *to, const rs_task *t);

/* The loop is about to turn: who has nudged has what he wanted. */
void rs_sched_turns(sched *s);

/* Signals are for this scheduler, until it lets go. */
void rs_sched_take_signals(sched *s);
void rs_sched_leave_signals(sched *s);

/* ---- task_await.c ---- */

/* What w waits for where that is tasks, else NULL. */
const await_block *rs_task_awaited(const rs_wait *w);

/* The task has ended: who waits for that goes on. */
void rs_task_tell_observers(rs_task *t);

/* await(task [, seconds]), select({task, ...} [, seconds]), close(task) */
int rs_task_await(lua_State *L);
int rs_task_select(lua_State *L);
int rs_task_close(lua_State *L);

/* Raises usage where the method was given more than n arguments, the object among them. */
void rs_task_no_more(lua_State *L, const char *name, int n);

/* ---- task_stuck.c ---- */

/* Whether there is neither stack nor level for a further wait in place. */
bool rs_sched_is_deep(const sched *s);

/* Code that a garbage collection runs. */
bool rs_task_finalising(lua_State *L);

/* Why the current task can't wait, or NULL. */
const char *rs_task_refusal(lua_State *L, sched *s, bool in_place);

/* ---- task_report.c ---- */

/* A failure that nobody may ever see is remembered for the end of the program. Stack: the task. */
void rs_task_remember_failure(lua_State *L, rs_task *t);

/* The finaliser of a task: its failure, unless somebody has seen it, is queued, since no code may run there. */
int rs_task_gc(lua_State *L);

/* Its failure is queued at once if that is wanted of it, unless somebody awaits it. Stack: the task, which is over. */
void rs_task_report_soon(lua_State *L, rs_task *t);

/* Reports what is queued. */
void rs_task_report(sched *s);

/* What failed, was not awaited, and is still named by somebody. */
void rs_task_report_rest(sched *s, lua_State *L);

/* on_unobserved(fn): fn(error, traceback, task) is called for each failed task that nobody awaited; it may not wait. There is no
 * task where nobody names it any more. */
int rs_task_on_unobserved(lua_State *L);

/* report_early(task): its failure is reported when it happens, not only when the task is collected. */
int rs_task_report_early(lua_State *L);

/* is_observed(task): somebody has had its results, or has closed it. */
int rs_task_is_observed(lua_State *L);

void rs_task_report_init(lua_State *L);

/* ---- task_lua.c ---- */

/* The class, and the module table of tasks. */
void rs_task_lua_init(lua_State *L);

#endif
