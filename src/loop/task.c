#include "loop/task.h"

#include <assert.h>
#include <lauxlib.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "loop/task_co.h"
#include "loop/task_error.h"
#include "loop/task_event.h"
#include "loop/timer.h"

#define RS_LOG_MODULE "task"
#include "base/log.h"

#define TASK "rshell.Task"
#define MAX_DEPTH 100      /* nested waits where Lua can't yield; each takes C stack */
#define MAX_AT_ONCE 64     /* waits that were done at once, before others get a turn */
#define SHIELD_SECONDS 5.0 /* how long the closers of a cancelled task may wait */
#define PATIENCE 1000000   /* instructions until an aborted task that goes on is interrupted again */

/* User values of a task. */
enum { UV_CO = 1, UV_RESULTS, UV_LOCALS, UV_TRACE, UV_COUNT = UV_TRACE };

/* Someone who waits for tasks to end; nodes live in an await block, on the stack of who awaits. */
typedef struct observer {
    struct observer *next, **at; /* at is NULL while in no list */
    rs_wait *wait;
    rs_task *target;
} observer;

/* A call with a time limit; lives on the stack of the function that runs it. */
typedef struct scope scope;
struct scope {
    rs_timer timer;
    rs_task *task;
    scope *outer;
    double seconds;
};

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
    rs_task *next_ready;
    uint64_t stamp;  /* of the turn in which it became ready */
    rs_task *awaits; /* the one task it awaits, for finding deadlocks */
    observer *observers;
    /* The current wait; one at a time. */
    rs_wait *wait;
    lua_KFunction k;
    lua_KContext ctx;
    uint64_t deadline; /* 0: none */
    rs_timer timer;
    /* Abort: raised at every wait until the scope that asked has unwound. The error object is made when it is raised,
     * since who aborts may be a callback. */
    bool aborted;
    scope *abort_scope;  /* NULL: the whole task was cancelled */
    int burst, quick;    /* how often it is interrupted at a time, and how often more this time */
    const char *why;     /* it was cancelled; static text */
    const char *failure; /* the current wait can't go on: raised once, as kind `usage`; static text */
    scope *scopes;       /* innermost timeout */
    int shield;          /* closers under way */
    uint64_t shield_end;
};

typedef struct sched {
    lua_State *L; /* main thread */
    rs_loop *loop;
    rs_task *current, *main;
    rs_task *ready, **ready_end;
    bool parking; /* a coroutine yields because it waits, not for its user */
    int depth;    /* nested in-place waits */
    rs_task *in_place[MAX_DEPTH + 1];
    int at_once;
    uint64_t stamp; /* counts turns */
    bool unreported;
    lua_State *volatile running;
    atomic_bool interrupted;
} sched;

/* The one that a signal handler may touch: the last that was initialised. */
static sched *volatile signalled;

static char sched_key, anchors_key, unreported_key, report_key;

/* Every thread of a Lua state carries the scheduler's address, copied from the main thread at its birth; the low bits are
 * notes about that thread (task_co.h). */
static uintptr_t *tag(lua_State *L)
{
    return (uintptr_t *)lua_getextraspace(L);
}

static sched *sched_of(lua_State *L)
{
    return (sched *)(*tag(L) & ~(uintptr_t)RS_CO_NOTES);
}

void rs_co_note(lua_State *co, unsigned note, bool on)
{
    *tag(co) = on ? *tag(co) | note : *tag(co) & ~(uintptr_t)note;
}

bool rs_co_noted(lua_State *co, unsigned note)
{
    return *tag(co) & note;
}

rs_loop *rs_task_loop(lua_State *L)
{
    return sched_of(L)->loop;
}

/* Below lua_resume there may be C code that can't be yielded across, and a coroutine that is being closed takes a yield
 * for an error. */
static bool can_yield(lua_State *L)
{
    return lua_isyieldable(L) && !rs_co_noted(L, RS_CO_CLOSING);
}

static void push_task(lua_State *L, rs_task *t)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &anchors_key);
    lua_rawgetp(L, -1, t);
    lua_remove(L, -2);
}

/* Keeps t alive while it runs, or lets it go. The task is at index i. */
static void anchor(lua_State *L, rs_task *t, int i)
{
    i = lua_absindex(L, i);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &anchors_key);
    lua_pushvalue(L, i);
    lua_rawsetp(L, -2, t);
    lua_pop(L, 1);
}

static void unanchor(lua_State *L, rs_task *t)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &anchors_key);
    lua_pushnil(L);
    lua_rawsetp(L, -2, t);
    lua_pop(L, 1);
}

/* ---- the ready list ---- */

static void make_ready(rs_task *t)
{
    if (t->queued || t->in_place || t->state == DONE || t->state == RUNNING)
        return;
    t->queued = true;
    t->stamp = t->sched->stamp;
    t->next_ready = NULL;
    *t->sched->ready_end = t;
    t->sched->ready_end = &t->next_ready;
}

static rs_task *take_ready(sched *s)
{
    rs_task *t = s->ready;
    if (!t)
        return NULL;
    s->ready = t->next_ready;
    if (!s->ready)
        s->ready_end = &s->ready;
    t->queued = false;
    return t;
}

static void task_wake(rs_wait *w)
{
    make_ready(w->waiter);
}

/* ---- deadlines and aborts ---- */

static bool deliverable(const rs_task *t)
{
    return t->failure || (t->aborted && (t->shield == 0 || rs_loop_now() >= t->shield_end));
}

static void timer_fired(rs_timer *timer)
{
    rs_task *t = (rs_task *)((char *)timer - offsetof(rs_task, timer));
    if (t->wait && t->deadline && rs_loop_now() >= t->deadline)
        t->timed_out = true;
    make_ready(t);
}

/* The timer runs until the wait's deadline, or until an aborted task's closers have had their time. */
static int arm_timer(rs_task *t)
{
    uint64_t at = t->deadline;
    if (t->aborted && t->shield > 0 && (!at || t->shield_end < at))
        at = t->shield_end;
    if (!at) {
        rs_timer_stop(t->sched->loop, &t->timer);
        return 0;
    }
    uint64_t now = rs_loop_now();
    return rs_timer_start(t->sched->loop, &t->timer, at > now ? (double)(at - now) / 1e9 : 0, timer_fired);
}

static void start_shield_clock(rs_task *t)
{
    t->shield_end = rs_loop_now() + (uint64_t)(SHIELD_SECONDS * 1e9);
}

/* sc is the timeout that has passed, NULL for a cancel. */
static void abort_task(rs_task *t, scope *sc)
{
    if (t->state == DONE)
        return;
    if (!t->aborted) {
        start_shield_clock(t);
        t->burst = t->quick = 0;
    }
    t->aborted = true;
    t->abort_scope = sc;
    if (deliverable(t))
        make_ready(t);
    else if (t->wait)
        (void)arm_timer(t);
}

/* Cancels unless that has happened; true when it made a difference. why is static text. */
static bool cancel(rs_task *t, const char *why)
{
    if (t->state == DONE || (t->aborted && !t->abort_scope))
        return false;
    t->why = why;
    abort_task(t, NULL);
    return true;
}

/* ---- running ---- */

static int recorded_resume(sched *s, lua_State *co, lua_State *from, int nargs, int *nres)
{
    lua_State *outer = s->running;
    s->running = co;
    int status = lua_resume(co, from, nargs, nres);
    s->running = outer;
    return status;
}

int rs_co_resume(lua_State *co, lua_State *from, int nargs, int *nres)
{
    return recorded_resume(sched_of(from), co, from, nargs, nres);
}

/* Moves the n values on top of the coroutine into a table in UV_RESULTS, and wakes who awaits. */
static void finish(sched *s, rs_task *t, int n)
{
    lua_State *L = s->L, *co = t->co;
    luaL_checkstack(L, 6, "task");
    push_task(L, t);
    lua_createtable(L, n, 1);
    luaL_checkstack(co, 1, "task");
    for (int i = n; i >= 1; i--) {
        lua_xmove(co, L, 1);
        lua_rawseti(L, -2, i);
    }
    lua_pushinteger(L, n);
    lua_setfield(L, -2, "n");
    lua_setiuservalue(L, -2, UV_RESULTS);
    lua_pushnil(L);
    lua_setiuservalue(L, -2, UV_CO);
    lua_sethook(co, NULL, 0, 0);
    t->state = DONE;
    t->co = NULL;
    rs_timer_stop(s->loop, &t->timer);
    while (t->observers) {
        observer *o = t->observers;
        t->observers = o->next;
        if (o->next)
            o->next->at = &t->observers;
        o->at = NULL;
        t->observed = true;
        rs_wait_done(o->wait, 0);
    }
    unanchor(L, t);
    lua_pop(L, 1);
}

static void run_task(sched *s, rs_task *t)
{
    rs_task *outer = s->current;
    int nres = 0, nargs = t->state == NEW ? lua_gettop(t->co) - 1 : 0;
    s->current = t;
    t->state = RUNNING;
    int status = recorded_resume(s, t->co, NULL, nargs, &nres);
    s->current = outer;
    if (status == LUA_YIELD && s->parking) {
        s->parking = false;
        t->state = PARKED;
        if (t->wait->done || deliverable(t))
            make_ready(t);
        return;
    }
    if (status == LUA_YIELD) { /* C code of others yielded past us: nobody is there to take it */
        lua_pop(t->co, nres);
        lua_pushliteral(t->co, "attempt to yield from outside a coroutine");
        nres = 1;
    } else if (status != LUA_OK) {
        nres = 1;
    }
    if (status != LUA_OK)
        t->failed = true;
    finish(s, t, nres);
}

/* Reports failures that nobody saw; queued by finalisers, which may not run code. */
static void report(sched *s)
{
    lua_State *L = s->L;
    s->unreported = false;
    luaL_checkstack(L, 8, "task");
    lua_rawgetp(L, LUA_REGISTRYINDEX, &unreported_key);
    int list = lua_gettop(L);
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &unreported_key);
    for (int i = 1; lua_rawgeti(L, list, i) == LUA_TTABLE; i++) {
        lua_rawgetp(L, LUA_REGISTRYINDEX, &report_key);
        lua_rawgeti(L, list + 1, 1);
        lua_rawgeti(L, list + 1, 2);
        if (lua_isfunction(L, -3) && lua_pcall(L, 2, 0, 0) != LUA_OK)
            rs_error("a task failed and the report of it did too: %s", lua_tostring(L, -1));
        lua_settop(L, list);
    }
    lua_settop(L, list - 1);
}

/* One loop turn is two halves. The first resumes the tasks that are ready now. */
static void run_ready(sched *s)
{
    uint64_t now = s->stamp++;
    while (s->ready && s->ready->stamp <= now)
        run_task(s, take_ready(s));
    if (s->unreported)
        report(s);
}

/* The second lets events in. False when nothing can ever happen again. */
static bool let_events_in(sched *s)
{
    bool alive = rs_loop_poll(s->loop, !s->ready && !s->unreported);
    return alive || s->ready || s->unreported;
}

/* ---- waiting ---- */

static const char never_ends[] = "this wait can never end: nothing is left that could end it";
static const char too_deep[] = "more than 100 waits inside calls that can't yield";
static_assert(MAX_DEPTH == 100, "the text says 100");

static void on_interrupt(lua_State *L, lua_Debug *ar);

/* A loop that catches what is raised here would raise it again at once, and nobody else would ever run: code that goes on is
 * interrupted wherever it is. */
static void watch(lua_State *L)
{
    if (!lua_gethook(L))
        lua_sethook(L, on_interrupt, LUA_MASKCOUNT, PATIENCE);
}

static int raise_abort(lua_State *L, rs_task *t)
{
    if (t->aborted) {
        watch(L);
        watch(t->co);
    }
    if (t->failure) {
        const char *failure = t->failure;
        t->failure = NULL;
        rs_error_push(L, "usage", "%s", failure);
    } else if (t->abort_scope) {
        rs_error_push(L, "timeout", "not done after %g s", t->abort_scope->seconds);
    } else {
        rs_error_push(L, "cancelled", "%s", t->why);
    }
    return lua_error(L);
}

/* The continuation of every wait: the wait is done, its time is over, or the task was aborted. */
static int wait_over(lua_State *L, int status, lua_KContext unused)
{
    (void)status, (void)unused;
    rs_task *t = sched_of(L)->current;
    rs_wait *w = t->wait;
    t->wait = NULL;
    t->awaits = NULL;
    t->deadline = 0;
    rs_timer_stop(t->sched->loop, &t->timer);
    if (!w->done) {
        rs_wait_abandon(w);
        if (deliverable(t) || !t->timed_out)
            return raise_abort(L, t);
        w->status = RS_ETIMEOUT;
    }
    return t->k(L, LUA_YIELD, t->ctx);
}

static bool must_go_on(const rs_task *t)
{
    return !t->wait->done && !t->timed_out && !deliverable(t);
}

/* Loop turns inside this call, until the current task's wait is over. Other tasks run meanwhile; waits that nest here end
 * last in, first out. */
static void wait_in_place(sched *s, rs_task *t)
{
    rs_task *outer = s->current;
    t->state = PARKED;
    t->in_place = true;
    s->in_place[s->depth++] = t;
    s->current = NULL;
    for (bool alive = true; alive && must_go_on(t);) {
        run_ready(s);
        alive = !must_go_on(t) || let_events_in(s);
    }
    s->depth--;
    s->current = outer;
    t->in_place = false;
    t->state = RUNNING;
    if (must_go_on(t))
        t->failure = never_ends;
}

void rs_co_wait_in_place(lua_State *L)
{
    sched *s = sched_of(L);
    s->parking = false;
    if (s->depth >= MAX_DEPTH)
        s->current->failure = too_deep;
    else
        wait_in_place(s, s->current);
}

/* Who waits for w is about to leave the stack (or to block it): a task that is suspended below can go on only when all
 * above it have. Follows the chain of awaits from every in-place wait; it may not reach one at or below it. */
static bool deadlocked(const sched *s, const rs_task *t, bool in_place)
{
    int steps = 0;
    for (const rs_task *u = t->awaits; u && steps < 10000; u = u->awaits, steps++)
        if (u == t)
            return true;
    for (int j = 0; j <= s->depth - (in_place ? 0 : 1); j++) {
        const rs_task *top = j < s->depth ? s->in_place[j] : t;
        steps = 0;
        for (const rs_task *u = top->awaits; u && steps < 10000; u = u->awaits, steps++)
            for (int i = 0; i <= j && i < s->depth; i++)
                if (s->in_place[i] == u)
                    return true;
    }
    return false;
}

bool rs_co_parking(lua_State *L)
{
    return sched_of(L)->parking;
}

void rs_task_check(lua_State *L)
{
    sched *s = sched_of(L);
    if (s->current && s->current->state != DONE)
        return;
    rs_error_push(L, "usage", "can't wait here: this code runs outside every task (a finaliser?)");
    lua_error(L);
}

static int check_depth(lua_State *L, sched *s, rs_wait *w)
{
    if (can_yield(L) || s->depth < MAX_DEPTH)
        return 0;
    rs_wait_abandon(w);
    rs_error_push(L, "usage", "%s", too_deep);
    return lua_error(L);
}

static void check_deadlock(lua_State *L, sched *s, rs_task *t, rs_wait *w)
{
    if (!t->awaits || !deadlocked(s, t, !can_yield(L)))
        return;
    t->awaits = NULL;
    rs_wait_abandon(w);
    rs_error_push(L, "usage", "this await can never end: the task waits for this one, or is suspended below it");
    lua_error(L);
}

int rs_task_wait_for(lua_State *L, rs_wait *w, double seconds, lua_KContext ctx, lua_KFunction k)
{
    sched *s = sched_of(L);
    rs_task_check(L);
    rs_task *t = s->current;
    if (deliverable(t)) {
        rs_wait_abandon(w);
        t->awaits = NULL;
        return raise_abort(L, t);
    }
    if (w->done && ++s->at_once < MAX_AT_ONCE) {
        t->awaits = NULL;
        return k(L, LUA_OK, ctx);
    }
    s->at_once = 0;
    check_depth(L, s, w);
    check_deadlock(L, s, t, w);
    t->wait = w;
    t->k = k;
    t->ctx = ctx;
    t->timed_out = false;
    w->waiter = t;
    w->wake = task_wake;
    t->deadline = seconds >= 0 && seconds < 1e9 ? rs_loop_now() + (uint64_t)llround(seconds * 1e9) : 0;
    if (arm_timer(t))
        return luaL_error(L, "not enough memory");
    if (can_yield(L)) {
        s->parking = true;
        return lua_yieldk(L, 0, 0, wait_over);
    }
    wait_in_place(s, t);
    return wait_over(L, LUA_OK, 0);
}

int rs_task_wait(lua_State *L, rs_wait *w, lua_KContext ctx, lua_KFunction k)
{
    return rs_task_wait_for(L, w, -1, ctx, k);
}

/* ---- a task from its first line to its last ---- */

/* Gives an error object the traceback that it lacks, and keeps the text for who reports it. */
static int on_error(lua_State *L)
{
    rs_task *t = sched_of(L)->current;
    luaL_traceback(L, L, NULL, 1);
    if (t) {
        luaL_checkstack(L, 4, "traceback");
        push_task(L, t);
        lua_pushvalue(L, -2);
        lua_setiuservalue(L, -2, UV_TRACE);
        lua_pop(L, 1);
    }
    if (lua_type(L, 1) == LUA_TTABLE && luaL_getmetafield(L, 1, "__name") != LUA_TNIL) {
        rs_error_metatable(L);
        if (lua_getmetatable(L, 1) && lua_rawequal(L, -1, -2)) {
            lua_pushliteral(L, "traceback");
            if (lua_rawget(L, 1) == LUA_TNIL) {
                lua_pushvalue(L, 2);
                lua_setfield(L, 1, "traceback");
            }
        }
    }
    lua_settop(L, 1);
    return 1;
}

static int body_over(lua_State *L, int status, lua_KContext ctx)
{
    (void)ctx;
    if (status != LUA_OK && status != LUA_YIELD)
        sched_of(L)->current->failed = true;
    return lua_gettop(L) - 1; /* all but the message handler */
}

/* The first function of every task: the user's function and its arguments are its arguments. It runs protected, so that an
 * error unwinds inside the coroutine, where closers may wait. */
static int body(lua_State *L)
{
    rs_task *t = sched_of(L)->current;
    lua_pushcfunction(L, on_error);
    lua_insert(L, 1);
    if (t->aborted) {
        lua_settop(L, 1);
        t->failed = true;
        rs_error_push(L, "cancelled", "%s", t->why);
        return 1;
    }
    return body_over(L, lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 1, 0, body_over), 0);
}

/* Makes a task of the function below its nargs arguments, and leaves it in their place. */
static rs_task *task_new(lua_State *L, sched *s, int nargs)
{
    rs_task *t = lua_newuserdatauv(L, sizeof *t, UV_COUNT);
    memset(t, 0, sizeof *t);
    t->sched = s;
    t->state = DONE; /* until it is whole */
    luaL_setmetatable(L, TASK);
    t->co = lua_newthread(L);
    rs_co_note(t->co, RS_CO_TASK, true);
    lua_setiuservalue(L, -2, UV_CO);
    lua_newtable(L);
    if (s->current) { /* scopes of the parent hold in the child */
        push_task(L, s->current);
        lua_getiuservalue(L, -1, UV_LOCALS);
        for (lua_pushnil(L); lua_next(L, -2);) {
            lua_pushvalue(L, -2);
            lua_insert(L, -2);
            lua_rawset(L, -6);
        }
        lua_pop(L, 2);
    }
    lua_setiuservalue(L, -2, UV_LOCALS);
    lua_insert(L, -nargs - 2);
    luaL_checkstack(t->co, nargs + 2, "too many arguments");
    lua_pushcfunction(t->co, body);
    lua_xmove(L, t->co, nargs + 1);
    anchor(L, t, -1);
    t->state = NEW;
    make_ready(t);
    return t;
}

/* ---- interrupting ---- */

void rs_task_cancel_main(lua_State *L, const char *why)
{
    sched *s = sched_of(L);
    if (s->main)
        cancel(s->main, why);
}

/* The hook comes back while the task is aborted, since a pcall may catch the error. It lets closers run for a while; then it
 * raises in this function, in the one that caught it, and so on, twice as often each time. */
static void come_back(lua_State *L, rs_task *t)
{
    if (t->quick > 0) {
        t->quick--;
    } else {
        t->burst = t->burst > 0 && t->burst < INT_MAX / 2 ? 2 * t->burst : 1;
        t->quick = t->burst - 1;
    }
    lua_sethook(L, on_interrupt, LUA_MASKCOUNT, t->quick > 0 ? 1 : PATIENCE);
}

/* Runs in the interrupted code, at its next instruction. */
static void on_interrupt(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    sched *s = sched_of(L);
    rs_task *t = s->current;
    lua_sethook(L, NULL, 0, 0);
    if (!t)
        return;
    if (atomic_exchange(&s->interrupted, false)) {
        if (s->main)
            cancel(s->main, "interrupted");
        cancel(t, "interrupted");
    }
    if (!t->aborted)
        return;
    if (deliverable(t)) {
        come_back(L, t);
        raise_abort(L, t);
    }
    watch(L);
}

void rs_task_interrupt(void)
{
    sched *s = signalled;
    if (!s)
        return;
    atomic_store(&s->interrupted, true);
    lua_State *L = s->running;
    if (L)
        lua_sethook(L, on_interrupt, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
}

/* ---- timeouts ---- */

/* True when a is sc or encloses it. */
static bool encloses(const scope *a, const scope *sc)
{
    for (; sc; sc = sc->outer)
        if (sc == a)
            return true;
    return false;
}

/* An outer timeout wins over an inner one, a cancel over both. */
static void scope_fired(rs_timer *timer)
{
    scope *sc = (scope *)((char *)timer - offsetof(scope, timer));
    rs_task *t = sc->task;
    if (!t->aborted || (t->abort_scope && !encloses(t->abort_scope, sc)))
        abort_task(t, sc);
}

static int scope_gc(lua_State *L)
{
    scope *sc = lua_touserdata(L, 1);
    if (sc->task)
        rs_timer_stop(sc->task->sched->loop, &sc->timer);
    return 0;
}

/* Stack: scope, results or error. */
static int scope_over(lua_State *L, int status, lua_KContext ctx)
{
    (void)ctx;
    scope *sc = lua_touserdata(L, 1);
    rs_task *t = sc->task;
    rs_timer_stop(t->sched->loop, &sc->timer);
    t->scopes = sc->outer;
    sc->task = NULL;
    if (t->aborted && t->abort_scope == sc) { /* only this call is over */
        t->aborted = false;
        t->abort_scope = NULL;
    }
    if (status != LUA_OK && status != LUA_YIELD)
        return lua_error(L);
    return lua_gettop(L) - 1;
}

/* timeout(seconds, fn, ...) */
static int l_timeout(lua_State *L)
{
    double seconds = luaL_checknumber(L, 1);
    luaL_checkany(L, 2);
    rs_task_check(L);
    rs_task *t = sched_of(L)->current;
    scope *sc = lua_newuserdatauv(L, sizeof *sc, 0);
    *sc = (scope){.seconds = seconds, .outer = t->scopes};
    luaL_setmetatable(L, "rshell.Timeout");
    lua_replace(L, 1);
    if (rs_timer_start(t->sched->loop, &sc->timer, seconds, scope_fired))
        return luaL_error(L, "not enough memory");
    sc->task = t;
    t->scopes = sc;
    return scope_over(L, lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, scope_over), 0);
}

/* ---- shields ---- */

static int shield_over(lua_State *L, int status, lua_KContext ctx)
{
    (void)ctx;
    rs_task *t = sched_of(L)->current;
    t->shield--;
    if (status != LUA_OK && status != LUA_YIELD)
        return lua_error(L);
    return lua_gettop(L);
}

/* shield(fn, ...): the waits of a closer are not aborted, for 5 s at most. */
static int l_shield(lua_State *L)
{
    luaL_checkany(L, 1);
    rs_task_check(L);
    rs_task *t = sched_of(L)->current;
    if (t->shield++ == 0)
        start_shield_clock(t);
    return shield_over(L, lua_pcallk(L, lua_gettop(L) - 1, LUA_MULTRET, 0, 0, shield_over), 0);
}

/* ---- awaiting ---- */

typedef struct await_block {
    rs_wait wait;
    int n;
    observer nodes[];
} await_block;

static void observe(observer *o, rs_task *t, rs_wait *w)
{
    o->wait = w;
    o->target = t;
    o->next = t->observers;
    o->at = &t->observers;
    if (o->next)
        o->next->at = &o->next;
    t->observers = o;
}

static void unobserve(observer *o)
{
    if (!o->at)
        return;
    *o->at = o->next;
    if (o->next)
        o->next->at = o->at;
    o->at = NULL;
}

static void await_abandoned(rs_wait *w)
{
    await_block *a = w->op;
    for (int i = 0; i < a->n; i++)
        unobserve(&a->nodes[i]);
}

static await_block *await_new(lua_State *L, int n)
{
    await_block *a = lua_newuserdatauv(L, sizeof *a + (size_t)n * sizeof a->nodes[0], 0);
    rs_wait_init(&a->wait, await_abandoned, a);
    a->n = n;
    memset(a->nodes, 0, (size_t)n * sizeof a->nodes[0]);
    return a;
}

static rs_task *check_task(lua_State *L, int i)
{
    return luaL_checkudata(L, i, TASK);
}

/* Pushes the results of the task at index i, or raises its error. */
static int push_results(lua_State *L, int i)
{
    rs_task *t = lua_touserdata(L, i);
    t->observed = true;
    lua_getiuservalue(L, i, UV_RESULTS);
    lua_getfield(L, -1, "n");
    int n = (int)lua_tointeger(L, -1);
    lua_pop(L, 1);
    int results = lua_gettop(L);
    luaL_checkstack(L, n + 2, "too many results");
    for (int r = 1; r <= n; r++)
        lua_rawgeti(L, results, r);
    return t->failed ? lua_error(L) : n;
}

static int await_over(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    await_block *a = (await_block *)ctx;
    if (a->wait.status == RS_ETIMEOUT) {
        rs_error_push(L, "timeout", "the task was not done in time");
        return lua_error(L);
    }
    return push_results(L, 1);
}

/* task:await([timeout]) */
static int l_await(lua_State *L)
{
    rs_task *t = check_task(L, 1);
    double seconds = luaL_optnumber(L, 2, -1);
    if (t->state == DONE)
        return push_results(L, 1);
    rs_task_check(L);
    await_block *a = await_new(L, 1);
    observe(&a->nodes[0], t, &a->wait);
    sched_of(L)->current->awaits = t;
    return rs_task_wait_for(L, &a->wait, seconds, (lua_KContext)a, await_over);
}

static int select_over(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    await_block *a = (await_block *)ctx;
    await_abandoned(&a->wait);
    if (a->wait.status == RS_ETIMEOUT) {
        rs_error_push(L, "timeout", "none of %d tasks was done in time", a->n);
        return lua_error(L);
    }
    for (int i = 0; i < a->n; i++) {
        if (a->nodes[i].target->state != DONE)
            continue;
        lua_rawgeti(L, 1, i + 1);
        lua_pushinteger(L, i + 1);
        return 2;
    }
    return luaL_error(L, "select woke with no task done");
}

/* select({task, ...} [, timeout]): the first that is done, and its index. */
static int l_select(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    double seconds = luaL_optnumber(L, 2, -1);
    lua_Unsigned n = lua_rawlen(L, 1);
    luaL_argcheck(L, n > 0 && n <= INT_MAX / 64, 1, "at least one task expected");
    rs_task_check(L);
    await_block *a = await_new(L, (int)n);
    bool done = false;
    for (int i = 0; i < a->n; i++) {
        lua_rawgeti(L, 1, i + 1);
        rs_task *t = luaL_testudata(L, -1, TASK);
        if (!t) {
            await_abandoned(&a->wait);
            return luaL_argerror(L, 1, "an array of tasks expected");
        }
        a->nodes[i].target = t;
        if (t->state == DONE)
            done = true;
        else if (!done)
            observe(&a->nodes[i], t, &a->wait);
        lua_pop(L, 1);
    }
    if (done) {
        rs_wait_done(&a->wait, 0);
        return select_over(L, LUA_OK, (lua_KContext)a);
    }
    return rs_task_wait_for(L, &a->wait, seconds, (lua_KContext)a, select_over);
}

/* ---- the module ---- */

static void check_callable(lua_State *L, int i)
{
    if (lua_isfunction(L, i))
        return;
    luaL_argexpected(L, luaL_getmetafield(L, i, "__call") != LUA_TNIL, i, "function");
    lua_pop(L, 1);
}

static int l_spawn(lua_State *L)
{
    check_callable(L, 1);
    task_new(L, sched_of(L), lua_gettop(L) - 1);
    return 1;
}

static int l_cancel(lua_State *L)
{
    rs_task *t = check_task(L, 1);
    lua_pushboolean(L, cancel(t, "the task was cancelled"));
    return 1;
}

static int slept(lua_State *L, int status, lua_KContext ctx)
{
    (void)L, (void)status, (void)ctx;
    return 0;
}

static int l_sleep(lua_State *L)
{
    double seconds = luaL_checknumber(L, 1);
    luaL_argcheck(L, seconds >= 0, 1, "a time of 0 or more seconds expected");
    rs_wait *w = lua_newuserdatauv(L, sizeof *w, 0);
    rs_wait_init(w, NULL, NULL);
    return rs_task_wait_for(L, w, seconds, 0, slept);
}

static int l_now(lua_State *L)
{
    lua_pushnumber(L, (double)rs_loop_now() / 1e9);
    return 1;
}

static int l_current(lua_State *L)
{
    sched *s = sched_of(L);
    if (!s->current)
        return 0;
    push_task(L, s->current);
    return 1;
}

/* locals(): a table that belongs to the task; tasks that it spawns start with a shallow copy. */
static int l_locals(lua_State *L)
{
    rs_task_check(L);
    push_task(L, sched_of(L)->current);
    lua_getiuservalue(L, -1, UV_LOCALS);
    return 1;
}

/* on_unobserved(fn): fn(error, traceback) is called for each failed task that nobody awaited; it may not wait. */
static int l_on_unobserved(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &report_key);
    return 0;
}

/* error_metatable(): of all error objects; rshell.shared.error completes it. */
static int l_error_metatable(lua_State *L)
{
    rs_error_metatable(L);
    return 1;
}

/* error_kind("ENOENT"): the kind of the error object for it. */
static int l_error_kind(lua_State *L)
{
    lua_pushstring(L, rs_err_kind(rs_err_from_name(luaL_checkstring(L, 1))));
    return 1;
}

static const char *state_name(const rs_task *t)
{
    switch (t->state) {
    case DONE: return t->failed ? "failed" : "done";
    case RUNNING: return "running";
    case PARKED: return "waiting";
    default: return "ready";
    }
}

static int task_index(lua_State *L)
{
    rs_task *t = check_task(L, 1);
    const char *key = luaL_checkstring(L, 2);
    if (strcmp(key, "done") == 0)
        lua_pushboolean(L, t->state == DONE);
    else if (strcmp(key, "failed") == 0)
        lua_pushboolean(L, t->state == DONE && t->failed);
    else if (strcmp(key, "status") == 0)
        lua_pushstring(L, state_name(t));
    else if (strcmp(key, "traceback") == 0)
        lua_getiuservalue(L, 1, UV_TRACE);
    else if (lua_getmetatable(L, 1))
        lua_getfield(L, -1, key);
    return 1;
}

static int task_tostring(lua_State *L)
{
    rs_task *t = check_task(L, 1);
    lua_pushfstring(L, "task (%s)", state_name(t));
    return 1;
}

/* True for an error object of kind `cancelled`, on top of the stack: it failed because someone asked for it. */
static bool is_cancelled(lua_State *L)
{
    if (lua_type(L, -1) != LUA_TTABLE)
        return false;
    lua_pushliteral(L, "kind");
    lua_rawget(L, -2);
    bool yes = lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), "cancelled") == 0;
    lua_pop(L, 1);
    return yes;
}

/* A failure that nobody has seen is queued; report() tells it. */
static void queue_report(lua_State *L, rs_task *t)
{
    if (lua_getiuservalue(L, 1, UV_RESULTS) != LUA_TTABLE)
        return;
    lua_rawgeti(L, -1, 1);
    if (is_cancelled(L) || lua_rawgetp(L, LUA_REGISTRYINDEX, &unreported_key) != LUA_TTABLE)
        return;
    lua_createtable(L, 2, 0);
    lua_pushvalue(L, -3);
    lua_rawseti(L, -2, 1);
    lua_getiuservalue(L, 1, UV_TRACE);
    lua_rawseti(L, -2, 2);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    t->sched->unreported = true;
}

static int task_gc(lua_State *L)
{
    rs_task *t = lua_touserdata(L, 1);
    if (t->sched && t->failed && !t->observed)
        queue_report(L, t);
    t->observed = true;
    return 0;
}

static int task_close(lua_State *L);

static const luaL_Reg task_methods[] = {
    {"await", l_await},
    {"cancel", l_cancel},
    {"close", task_close},
    {"__index", task_index},
    {"__tostring", task_tostring},
    {"__close", task_close},
    {"__gc", task_gc},
    {NULL, NULL},
};

static const luaL_Reg task_functions[] = {
    {"spawn", l_spawn},
    {"sleep", l_sleep},
    {"now", l_now},
    {"select", l_select},
    {"timeout", l_timeout},
    {"shield", l_shield},
    {"current", l_current},
    {"locals", l_locals},
    {"on_unobserved", l_on_unobserved},
    {"event", rs_event_new},
    {"error_metatable", l_error_metatable},
    {"error_kind", l_error_kind},
    {NULL, NULL},
};

static int unwound(lua_State *L, int status, lua_KContext ctx)
{
    (void)L, (void)status, (void)ctx;
    return 0;
}

/* Stack: the task. Waits until it has unwound. */
static int await_unwound(lua_State *L)
{
    rs_task *t = check_task(L, 1);
    await_block *a = await_new(L, 1);
    observe(&a->nodes[0], t, &a->wait);
    sched_of(L)->current->awaits = t;
    return rs_task_wait_for(L, &a->wait, SHIELD_SECONDS, 0, unwound);
}

/* task:close(): cancels and waits until it has unwound; its error is nobody's business any more. */
static int task_close(lua_State *L)
{
    rs_task *t = check_task(L, 1);
    t->observed = true;
    if (t->state == DONE || t == sched_of(L)->current)
        return 0;
    cancel(t, "the task was closed");
    lua_settop(L, 1);
    lua_pushcfunction(L, await_unwound);
    lua_insert(L, 1);
    return l_shield(L);
}

/* ---- birth and end ---- */

static int sched_gc(lua_State *L)
{
    sched *s = lua_touserdata(L, 1);
    if (signalled == s)
        signalled = NULL;
    return 0;
}

void rs_task_init(lua_State *L, rs_loop *loop)
{
    sched *s = lua_newuserdatauv(L, sizeof *s, 0);
    memset(s, 0, sizeof *s);
    s->L = L;
    s->loop = loop;
    s->ready_end = &s->ready;
    *tag(L) = (uintptr_t)s;
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, sched_gc);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &sched_key);
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &anchors_key);
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &unreported_key);
    luaL_newmetatable(L, TASK);
    luaL_setfuncs(L, task_methods, 0);
    lua_pop(L, 1);
    luaL_newmetatable(L, "rshell.Timeout");
    lua_pushcfunction(L, scope_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    luaL_newlib(L, task_functions);
    lua_setfield(L, -2, "rshell.task");
    lua_pop(L, 1);
    rs_co_install(L);
    signalled = s;
}

int rs_task_main(lua_State *L, int nargs)
{
    sched *s = sched_of(L);
    int base = lua_gettop(L) - nargs - 1;
    rs_task *t = task_new(L, s, nargs);
    s->main = t;
    for (run_ready(s); t->state != DONE; run_ready(s)) {
        if (!let_events_in(s) && t->state == PARKED) {
            t->failure = never_ends;
            make_ready(t);
        }
    }
    s->main = NULL;
    t->observed = true;
    int task = lua_gettop(L);
    lua_getiuservalue(L, task, UV_RESULTS);
    lua_getfield(L, -1, "n");
    int n = (int)lua_tointeger(L, -1);
    lua_pop(L, 1);
    luaL_checkstack(L, n + 3, "too many results");
    for (int i = 1; i <= n; i++)
        lua_rawgeti(L, task + 1, i);
    bool failed = t->failed;
    if (failed)
        lua_getiuservalue(L, task, UV_TRACE);
    lua_rotate(L, base + 1, -2);
    lua_pop(L, 2);
    return failed ? LUA_ERRRUN : LUA_OK;
}

static void wake_up(rs_timer *t)
{
    (void)t;
}

static bool cancel_all(lua_State *L, const char *why)
{
    bool any = false;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &anchors_key);
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        rs_task *t = lua_touserdata(L, -1);
        if (t->state == RUNNING || t->in_place) /* suspended below us: os.exit was called */
            continue;
        any = true;
        cancel(t, why);
    }
    lua_pop(L, 1);
    return any;
}

void rs_task_shutdown(lua_State *L, double seconds)
{
    static const char why[] = "the program has ended";
    sched *s = sched_of(L);
    rs_timer stop = {0};
    uint64_t end = rs_loop_now() + (uint64_t)(seconds * 1e9);
    while (cancel_all(L, why)) {
        run_ready(s);
        uint64_t now = rs_loop_now();
        if (now >= end || !cancel_all(L, why))
            break;
        /* Keeps a turn from sleeping past the end. */
        (void)rs_timer_start(s->loop, &stop, (double)(end - now) / 1e9, wake_up);
        let_events_in(s);
    }
    rs_timer_stop(s->loop, &stop);
    lua_gc(L, LUA_GCCOLLECT);
    if (s->unreported)
        report(s);
}
