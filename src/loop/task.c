#include "loop/task.h"

#include <lauxlib.h>
#include <math.h>
#include <string.h>
#include <sys/resource.h>

#include "base/err.h"
#include "loop/task_co.h"
#include "loop/task_error.h"
#include "loop/task_state.h"

#define MAX_AT_ONCE 64  /* waits that were done at once, before others get a turn */
#define MAX_SECONDS 1e9 /* of a wait; for ever is no longer than that */

static char sched_key, anchors_key;

static const char never_ends[] = "this wait can never end: nothing is left that could end it";

void rs_co_note(lua_State *co, unsigned note, bool on)
{
    *rs_sched_tag(co) = on ? *rs_sched_tag(co) | note : *rs_sched_tag(co) & ~(uintptr_t)note;
}

bool rs_co_noted(lua_State *co, unsigned note)
{
    return *rs_sched_tag(co) & note;
}

rs_loop *rs_task_loop(lua_State *L)
{
    return rs_sched_of(L)->loop;
}

/* Below lua_resume there may be C code that can't be yielded across, and a coroutine that is being closed takes a yield
 * for an error. */
static bool can_yield(lua_State *L)
{
    return lua_isyieldable(L) && !rs_co_noted(L, RS_CO_CLOSING);
}

void rs_task_push(lua_State *L, rs_task *t)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &anchors_key);
    lua_rawgetp(L, -1, t);
    lua_remove(L, -2);
}

rs_task *rs_task_check_arg(lua_State *L, int i)
{
    return luaL_checkudata(L, i, RS_TASK);
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

void rs_task_make_ready(rs_task *t)
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
    rs_task_make_ready(w->waiter);
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
    sched *s = rs_sched_of(from);
    rs_task_pass_interrupt(from, co, s->current);
    int status = recorded_resume(s, co, from, nargs, nres);
    rs_task_pass_interrupt(co, from, s->current);
    return status;
}

/* Moves the n values on top of the coroutine to L, as one: itself where there is one, a table where there are more. */
static void take_results(lua_State *L, rs_task *t, int n)
{
    lua_State *co = t->co;
    t->nresults = n;
    if (n == 0)
        lua_pushnil(L);
    else if (n == 1)
        lua_xmove(co, L, 1);
    else
        lua_createtable(L, n, 0);
    for (int i = n; n > 1 && i >= 1; i--) {
        lua_xmove(co, L, 1);
        lua_rawseti(L, -2, i);
    }
}

int rs_task_push_values(lua_State *L, int i)
{
    rs_task *t = lua_touserdata(L, i);
    int n = t->nresults;
    luaL_checkstack(L, n + 2, "too many results");
    lua_getiuservalue(L, i, UV_RESULTS);
    if (n == 1)
        return 1;
    int results = lua_gettop(L);
    for (int r = 1; r <= n; r++)
        lua_rawgeti(L, results, r);
    lua_remove(L, results);
    return n;
}

/* Keeps the n values on top of the coroutine in UV_RESULTS, and wakes who awaits. */
static void finish(sched *s, rs_task *t, int n)
{
    lua_State *L = s->L, *co = t->co;
    luaL_checkstack(L, 8, "task");
    rs_task_push(L, t);
    take_results(L, t, n);
    lua_setiuservalue(L, -2, UV_RESULTS);
    lua_pushnil(L);
    lua_setiuservalue(L, -2, UV_CO);
    lua_sethook(co, NULL, 0, 0);
    t->state = DONE;
    t->co = NULL;
    if (s->front == t)
        s->front = NULL;
    rs_timer_stop(s->loop, &t->timer);
    if (t->failed) {
        rs_task_remember_failure(L, t);
        rs_task_report_soon(L, t);
    }
    rs_task_tell_observers(t);
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
        if (t->wait->done || rs_task_deliverable(t))
            rs_task_make_ready(t);
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

/* A loop turn is run_ready, then let_in. */

/* Resumes the tasks that are ready now, and those that they make ready: who takes an answer from a link wakes who waits for it.
 * What these make ready is for the next turn. */
static void run_ready(sched *s)
{
    for (int i = 0; i < 2; i++) {
        uint64_t now = s->stamp++;
        while (s->ready && s->ready->stamp <= now)
            run_task(s, take_ready(s));
    }
    if (s->unreported)
        rs_task_report(s);
}

/* Lets events in; sleeps until there are some if the caller waits for one and no task is ready, nor t, where it waits in place.
 * False when nothing can ever happen again. */
static bool let_in(sched *s, bool waiting, const rs_task *t)
{
    rs_sched_turns(s);
    rs_loop_do_later(s->loop); /* it may make tasks ready, or end what t waits for */
    waiting = waiting && (!t || rs_task_must_go_on(t));
    bool alive = rs_loop_poll(s->loop, waiting && !s->ready && !s->unreported);
    return alive || s->ready || s->unreported;
}

/* ---- waiting ---- */

/* The wait is done, or its time is over; raises when the task was aborted. */
static void settle(lua_State *L, rs_task *t)
{
    rs_wait *w = t->wait;
    t->wait = NULL;
    t->deadline = 0;
    rs_timer_stop(t->sched->loop, &t->timer);
    if (w->done) {
        t->failure = NULL;
        rs_task_limit(L, t);
        return;
    }
    rs_wait_abandon(w);
    if (rs_task_deliverable(t))
        rs_task_raise_abort(L, t);
    w->status = RS_ETIMEOUT;
}

/* The continuation of every wait. */
static int wait_over(lua_State *L, int status, lua_KContext unused)
{
    (void)status, (void)unused;
    rs_task *t = rs_sched_of(L)->current;
    settle(L, t);
    return t->k(L, LUA_YIELD, t->ctx);
}

bool rs_task_must_go_on(const rs_task *t)
{
    return !t->wait->done && !t->timed_out && !rs_task_deliverable(t);
}

void rs_task_wait_in_place(sched *s, rs_task *t)
{
    rs_task *outer = s->current;
    t->state = PARKED;
    t->in_place = true;
    t->level = s->depth;
    s->in_place[s->depth++] = t;
    s->current = NULL;
    bool alive;
    do {
        run_ready(s);
        alive = let_in(s, true, t);
    } while (alive && rs_task_must_go_on(t));
    s->depth--;
    s->current = outer;
    t->in_place = false;
    t->state = RUNNING;
    if (rs_task_must_go_on(t))
        t->failure = never_ends;
}

bool rs_co_parking(lua_State *L)
{
    return rs_sched_of(L)->parking;
}

void rs_co_wait_in_place(lua_State *L)
{
    sched *s = rs_sched_of(L);
    rs_task *t = s->current;
    s->parking = false;
    const char *no = rs_task_refusal(L, s, true);
    if (!no)
        rs_task_wait_in_place(s, t);
    else if (rs_task_must_go_on(t))
        t->failure = no;
}

/* ---- the door ---- */

void rs_task_check(lua_State *L)
{
    sched *s = rs_sched_of(L);
    if (s->current && s->current->state != DONE)
        return;
    rs_error_push(L, "usage", "can't wait here: this code runs outside every task (a finaliser?)");
    lua_error(L);
}

static void refuse(lua_State *L, rs_task *t, const char *why)
{
    rs_wait *w = t->wait;
    t->wait = NULL;
    t->deadline = 0;
    rs_wait_abandon(w);
    rs_error_push(L, "usage", "%s", why);
    lua_error(L);
}

/* Makes w what the current task waits for; raises when it may not wait. */
static rs_task *begin_wait(lua_State *L, rs_wait *w, double seconds)
{
    sched *s = rs_sched_of(L);
    rs_task *t = s->current;
    s->at_once = 0;
    t->wait = w;
    t->timed_out = false;
    t->deadline = 0;
    if (seconds >= 0)
        t->deadline = rs_loop_now() + (uint64_t)llround((seconds < MAX_SECONDS ? seconds : MAX_SECONDS) * 1e9);
    const char *no = rs_task_refusal(L, s, !can_yield(L));
    if (no)
        refuse(L, t, no);
    w->waiter = t;
    w->wake = task_wake;
    if (rs_task_arm_timer(t))
        refuse(L, t, "not enough memory");
    return t;
}

/* Raises what the task was aborted with; who calls has made w, which nobody will wait for then. */
static void check_abort(lua_State *L, rs_wait *w)
{
    rs_task_check(L);
    rs_task *t = rs_sched_of(L)->current;
    if (!rs_task_deliverable(t))
        return;
    if (w)
        rs_wait_abandon(w);
    rs_task_raise_abort(L, t);
}

bool rs_task_goes_on(lua_State *L)
{
    check_abort(L, NULL);
    return ++rs_sched_of(L)->at_once < MAX_AT_ONCE;
}

int rs_task_wait_for(lua_State *L, rs_wait *w, double seconds, lua_KContext ctx, lua_KFunction k)
{
    sched *s = rs_sched_of(L);
    check_abort(L, w);
    if (w->done && ++s->at_once < MAX_AT_ONCE)
        return k(L, LUA_OK, ctx);
    rs_task *t = begin_wait(L, w, seconds);
    t->k = k;
    t->ctx = ctx;
    if (can_yield(L)) {
        s->parking = true;
        return lua_yieldk(L, 0, 0, wait_over);
    }
    rs_task_wait_in_place(s, t);
    return wait_over(L, LUA_OK, 0);
}

int rs_task_wait(lua_State *L, rs_wait *w, lua_KContext ctx, lua_KFunction k)
{
    return rs_task_wait_for(L, w, -1, ctx, k);
}

bool rs_task_wait_here(lua_State *L, rs_wait *w, double seconds)
{
    if (can_yield(L))
        return false;
    sched *s = rs_sched_of(L);
    check_abort(L, w);
    if (w->done && ++s->at_once < MAX_AT_ONCE)
        return true;
    rs_task *t = begin_wait(L, w, seconds);
    rs_task_wait_in_place(s, t);
    settle(L, t);
    return true;
}

bool rs_task_waits_in_place(const rs_wait *w)
{
    const rs_task *t = w->wake == task_wake ? w->waiter : NULL;
    return t && t->in_place;
}

/* ---- a task from its first line to its last ---- */

/* Gives an error object the traceback that it lacks, and keeps the text for who reports it. The error of a task that was closed is
 * nobody's business, and a traceback takes longer than most tasks. */
static int on_error(lua_State *L)
{
    rs_task *t = rs_sched_of(L)->current;
    if (t && t->cancelled && t->observed)
        return 1;
    luaL_traceback(L, L, NULL, 1);
    if (t) {
        luaL_checkstack(L, 4, "traceback");
        rs_task_push(L, t);
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
        rs_sched_of(L)->current->failed = true;
    return lua_gettop(L) - 1; /* all but the message handler */
}

/* The first function of every task: the user's function and its arguments are its arguments. It runs protected, so that an
 * error unwinds inside the coroutine, where closers may wait. */
static int body(lua_State *L)
{
    rs_task *t = rs_sched_of(L)->current;
    lua_pushcfunction(L, on_error);
    lua_insert(L, 1);
    if (t->cancelled) {
        lua_settop(L, 1);
        t->failed = true;
        rs_error_push(L, "cancelled", "%s", t->cancelled);
        return 1;
    }
    return body_over(L, lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 1, 0, body_over), 0);
}

/* What holds in the parent holds in its child, which is on top of the stack. */
static void inherit_locals(lua_State *L, const sched *s)
{
    if (!s->current || !s->current->has_locals)
        return;
    rs_task *t = lua_touserdata(L, -1);
    rs_task_push(L, s->current);
    lua_getiuservalue(L, -1, UV_LOCALS);
    lua_replace(L, -2);
    lua_newtable(L);
    for (lua_pushnil(L); lua_next(L, -3);) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, -4);
    }
    lua_setiuservalue(L, -3, UV_LOCALS);
    lua_pop(L, 1);
    t->has_locals = true;
}

rs_task *rs_task_new(lua_State *L, sched *s, int nargs)
{
    rs_task *t = lua_newuserdatauv(L, sizeof *t, UV_COUNT);
    memset(t, 0, sizeof *t);
    t->sched = s;
    t->state = DONE; /* until it is whole */
    luaL_setmetatable(L, RS_TASK);
    t->co = lua_newthread(L);
    rs_co_note(t->co, RS_CO_TASK, true);
    lua_setiuservalue(L, -2, UV_CO);
    inherit_locals(L, s);
    lua_insert(L, -nargs - 2);
    luaL_checkstack(t->co, nargs + 2, "too many arguments");
    lua_pushcfunction(t->co, body);
    lua_xmove(L, t->co, nargs + 1);
    anchor(L, t, -1);
    t->state = NEW;
    rs_task_make_ready(t);
    return t;
}

/* ---- birth and end ---- */

static int sched_gc(lua_State *L)
{
    sched *s = lua_touserdata(L, 1);
    rs_sched_leave_signals(s);
    return 0;
}

/* Of what C code may use; no more of an unlimited stack than is usual. */
static size_t half_the_stack(void)
{
    struct rlimit r;
    rlim_t most = 8 << 20;
    if (getrlimit(RLIMIT_STACK, &r) == 0 && r.rlim_cur < most)
        most = r.rlim_cur;
    return (size_t)most / 2;
}

void rs_task_init(lua_State *L, rs_loop *loop)
{
    sched *s = lua_newuserdatauv(L, sizeof *s, 0);
    memset(s, 0, sizeof *s);
    s->L = L;
    s->loop = loop;
    s->ready_end = &s->ready;
    s->stack = __builtin_frame_address(0);
    s->stack_max = half_the_stack();
    *rs_sched_tag(L) = (uintptr_t)s;
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, sched_gc);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &sched_key);
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &anchors_key);
    rs_task_report_init(L);
    rs_task_abort_init(L);
    rs_task_lua_init(L);
    rs_co_install(L);
    rs_sched_take_signals(s);
}

int rs_task_main(lua_State *L, int nargs)
{
    sched *s = rs_sched_of(L);
    int base = lua_gettop(L) - nargs - 1;
    rs_task *t = rs_task_new(L, s, nargs);
    s->main = t;
    for (run_ready(s); t->state != DONE; run_ready(s)) {
        if (!let_in(s, true, NULL) && t->state == PARKED) {
            t->failure = never_ends;
            rs_task_make_ready(t);
        }
    }
    s->main = NULL;
    t->observed = true;
    int task = lua_gettop(L);
    rs_task_push_values(L, task);
    bool failed = t->failed;
    if (failed)
        lua_getiuservalue(L, task, UV_TRACE);
    lua_rotate(L, base + 1, -1);
    lua_pop(L, 1);
    return failed ? LUA_ERRRUN : LUA_OK;
}

static void wake_up(rs_timer *t)
{
    (void)t;
}

/* Calls fn for every task that has not ended, but for those suspended below us, when os.exit was called. How many. */
static int each_task(lua_State *L, void (*fn)(rs_task *t))
{
    int n = 0;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &anchors_key);
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        rs_task *t = lua_touserdata(L, -1);
        if (t->state == RUNNING || t->in_place)
            continue;
        fn(t);
        n++;
    }
    lua_pop(L, 1);
    return n;
}

static void cancel_for_end(rs_task *t)
{
    rs_task_cancel(t, "the program has ended");
}

/* It never runs again: nothing may point at what it waits with, since the Lua state goes before the loop does. */
static void bury(rs_task *t)
{
    if (t->wait)
        rs_wait_abandon(t->wait);
    rs_timer_stop(t->sched->loop, &t->timer);
}

static void bury_all(sched *s, lua_State *L)
{
    each_task(L, bury);
    for (int i = 0; i < s->depth; i++)
        bury(s->in_place[i]);
}

void rs_task_shutdown(lua_State *L, double seconds)
{
    sched *s = rs_sched_of(L);
    rs_timer stop = {0};
    uint64_t now, end = rs_loop_now() + (uint64_t)(seconds * 1e9);
    while (each_task(L, cancel_for_end) && (now = rs_loop_now()) < end) {
        run_ready(s);
        (void)rs_timer_start(s->loop, &stop, (double)(end - now) / 1e9, wake_up); /* the poll may not sleep past it */
        let_in(s, each_task(L, cancel_for_end) > 0, NULL);
    }
    rs_timer_stop(s->loop, &stop);
    bury_all(s, L);
    rs_task_report_rest(s, L);
}
