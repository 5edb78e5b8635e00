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
#include <sys/resource.h>

#include "base/err.h"
#include "loop/task_co.h"
#include "loop/task_error.h"
#include "loop/task_event.h"
#include "loop/timer.h"

#define RS_LOG_MODULE "task"
#include "base/log.h"

#define TASK "rshell.Task"
#define MAX_DEPTH 100 /* nested waits where Lua can't yield; each takes C stack */
#define MIN_TURNS 2   /* of the loop, amid code that doesn't wait */
#define MAX_TURNS 16
#define MAX_AT_ONCE 64     /* waits that were done at once, before others get a turn */
#define MAX_SECONDS 1e9    /* of a wait; for ever is no longer than that */
#define SHIELD_SECONDS 5.0 /* how long the closers of a cancelled task may wait */
#define SOON 100           /* instructions */
#define PATIENCE 1000000   /* instructions until an aborted task that goes on is interrupted again */
#define HOG                                                                                                            \
    (50 * PATIENCE) /* instructions that code has after an interrupt that isn't for it, until it lets the loop turn */
#define MAX_RAISES 100 /* aborts raised by its waits until it is, if that is sooner */

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
    int nresults; /* in UV_RESULTS: none, itself, or a table of them */
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
    rs_task *in_place[MAX_DEPTH + 1];
    int at_once;
    uint64_t stamp;  /* counts turns */
    uint64_t search; /* counts searches for deadlocks */
    bool unreported;
    char *stack; /* where the C stack was when we began, and how much of it waits in place may take */
    size_t stack_max;
    lua_State *volatile running;
    atomic_bool interrupted, nudged;
    rs_task *front;        /* what an interrupt of a prompt is for; NULL where nothing runs */
    atomic_bool impatient; /* code that goes on after a nudge is a hog */
    uint64_t hog_since;    /* the stamp of that turn */
} sched;

/* The one that a signal handler may touch: the last that was initialised. */
static sched *volatile signalled;

static char sched_key, anchors_key, failures_key, unreported_key, report_key;

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

/* False while the coroutine in which the scope began is suspended by its user: what runs now is outside of it. */
static bool entered(const scope *sc)
{
    return lua_status(sc->co) != LUA_YIELD || rs_co_noted(sc->co, RS_CO_PARKED | RS_CO_TASK);
}

/* The timeout that aborts the task: the outermost whose time is over. */
static const scope *aborting_scope(const rs_task *t)
{
    const scope *outermost = NULL;
    for (const scope *sc = t->scopes; sc; sc = sc->outer)
        if (sc->over && entered(sc))
            outermost = sc;
    return outermost;
}

static bool aborted(const rs_task *t)
{
    return t->cancelled || aborting_scope(t);
}

static bool deliverable(const rs_task *t)
{
    return t->failure || (aborted(t) && (t->shield == 0 || rs_loop_now() >= t->shield_end));
}

static int arm_timer(rs_task *t);

static void timer_fired(rs_timer *timer)
{
    rs_task *t = (rs_task *)((char *)timer - offsetof(rs_task, timer));
    if (t->wait && t->deadline && rs_loop_now() >= t->deadline)
        t->timed_out = true;
    if (t->timed_out || deliverable(t))
        make_ready(t);
    else if (t->wait)
        (void)arm_timer(t);
}

/* The timer runs until the wait's deadline, or until an aborted task's closers have had their time. */
static int arm_timer(rs_task *t)
{
    uint64_t at = t->deadline;
    if (t->shield > 0 && (!at || t->shield_end < at) && aborted(t))
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

static void begin_abort(rs_task *t)
{
    start_shield_clock(t);
    t->raises = t->burst = t->quick = 0;
}

/* It was aborted: it goes on with that now, or when its closers have had their time. */
static void deliver(rs_task *t)
{
    if (deliverable(t))
        make_ready(t);
    else if (t->wait)
        (void)arm_timer(t);
}

/* Cancels unless that has happened; true when it made a difference. why is static text. */
static bool cancel(rs_task *t, const char *why)
{
    if (t->state == DONE || t->cancelled)
        return false;
    if (!aborted(t))
        begin_abort(t);
    t->cancelled = why;
    deliver(t);
    return true;
}

/* The time of a scope is over. */
static void scope_fired(rs_timer *timer)
{
    scope *sc = (scope *)((char *)timer - offsetof(scope, timer));
    rs_task *t = sc->task;
    if (!aborted(t))
        begin_abort(t);
    sc->over = true;
    if (t->state != DONE)
        deliver(t);
}

/* ---- observers ---- */

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

/* ---- running ---- */

static int recorded_resume(sched *s, lua_State *co, lua_State *from, int nargs, int *nres)
{
    lua_State *outer = s->running;
    s->running = co;
    int status = lua_resume(co, from, nargs, nres);
    s->running = outer;
    return status;
}

static void on_interrupt(lua_State *L, lua_Debug *ar);

static void set_interrupt(lua_State *L, const rs_task *t)
{
    lua_sethook(L, on_interrupt, LUA_MASKCOUNT, t->quick > 0 ? 1 : PATIENCE);
}

/* What goes on although it was interrupted is interrupted in the function that runs, in the one that caught it, and so on, twice
 * as often each time. */
static void begin_burst(rs_task *t)
{
    t->burst = t->burst > 0 && t->burst < INT_MAX / 2 ? 2 * t->burst : 1;
    t->quick = t->burst;
}

/* An interrupt concerns a task, whichever of its coroutines runs. */
static void pass_interrupt(lua_State *from, lua_State *to, const rs_task *t)
{
    if (t && lua_gethook(from) == on_interrupt && (t->quick > 0 || lua_gethook(to) != on_interrupt))
        set_interrupt(to, t);
}

int rs_co_resume(lua_State *co, lua_State *from, int nargs, int *nres)
{
    sched *s = sched_of(from);
    pass_interrupt(from, co, s->current);
    int status = recorded_resume(s, co, from, nargs, nres);
    pass_interrupt(co, from, s->current);
    return status;
}

/* A failure that nobody may ever see is remembered for the end of the program. Stack: the task. */
static void remember_failure(lua_State *L, rs_task *t)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &failures_key);
    lua_pushvalue(L, -2);
    lua_rawsetp(L, -2, t);
    lua_pop(L, 1);
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

/* Pushes the results of the task at index i; how many. */
static int push_values(lua_State *L, int i)
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
    luaL_checkstack(L, 6, "task");
    push_task(L, t);
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
    while (t->observers) {
        observer *o = t->observers;
        t->observers = o->next;
        if (o->next)
            o->next->at = &t->observers;
        o->at = NULL;
        rs_wait_done(o->wait, 0);
    }
    if (t->failed)
        remember_failure(L, t);
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

/* A loop turn is run_ready, then let_in. */

/* Resumes the tasks that are ready now. */
static void run_ready(sched *s)
{
    uint64_t now = s->stamp++;
    while (s->ready && s->ready->stamp <= now)
        run_task(s, take_ready(s));
    if (s->unreported)
        report(s);
}

/* Lets events in; sleeps until there are some if the caller waits for one and no task is ready. False when nothing can ever
 * happen again. */
static bool let_in(sched *s, bool waiting)
{
    rs_loop_do_later(s->loop); /* it may make tasks ready */
    bool alive = rs_loop_poll(s->loop, waiting && !s->ready && !s->unreported);
    return alive || s->ready || s->unreported;
}

/* ---- waiting ---- */

static const char never_ends[] = "this wait can never end: nothing is left that could end it";
static const char deadlock[] =
    "this await can never end: the task waits for this one, or is suspended below a call that can't yield";
static const char too_deep[] = "waits inside calls that can't yield are nested too deeply (100 are possible)";
static const char in_finaliser[] = "can't wait in a finaliser (__gc)";
static_assert(MAX_DEPTH == 100, "the text says 100");

/* A loop that catches what is raised here would raise it again at once, and nobody else would ever run: code that goes on is
 * interrupted wherever it is. */
static int raise_abort(lua_State *L, rs_task *t)
{
    const scope *sc = t->cancelled ? NULL : aborting_scope(t);
    if (t->failure) {
        const char *failure = t->failure;
        t->failure = NULL;
        rs_error_push(L, "usage", "%s", failure);
        return lua_error(L);
    }
    if (++t->raises % MAX_RAISES == 0)
        begin_burst(t);
    if (t->quick > 0 || !lua_gethook(L))
        set_interrupt(L, t);
    if (sc)
        rs_error_push(L, "timeout", "not done after %g s", sc->seconds);
    else
        rs_error_push(L, "cancelled", "%s", t->cancelled);
    return lua_error(L);
}

/* The wait is done, or its time is over; raises when the task was aborted. */
static void settle(lua_State *L, rs_task *t)
{
    rs_wait *w = t->wait;
    t->wait = NULL;
    t->deadline = 0;
    rs_timer_stop(t->sched->loop, &t->timer);
    if (w->done) {
        t->failure = NULL;
        return;
    }
    rs_wait_abandon(w);
    if (deliverable(t))
        raise_abort(L, t);
    w->status = RS_ETIMEOUT;
}

/* The continuation of every wait. */
static int wait_over(lua_State *L, int status, lua_KContext unused)
{
    (void)status, (void)unused;
    rs_task *t = sched_of(L)->current;
    settle(L, t);
    return t->k(L, LUA_YIELD, t->ctx);
}

static bool must_go_on(const rs_task *t)
{
    return !t->wait->done && !t->timed_out && !deliverable(t);
}

/* Loop turns inside this call, at least one, until the current task's wait is over. Other tasks run meanwhile; waits that nest
 * here end last in, first out. */
static void wait_in_place(sched *s, rs_task *t)
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
        alive = let_in(s, must_go_on(t));
    } while (alive && must_go_on(t));
    s->depth--;
    s->current = outer;
    t->in_place = false;
    t->state = RUNNING;
    if (must_go_on(t))
        t->failure = never_ends;
}

/* ---- deadlocks ---- */

/* The tasks of which one must end before t can go on; NULL when something else can wake it: an event, a time limit, an
 * abort. */
static const await_block *awaited(const rs_task *t)
{
    if (!t->wait || t->wait->abandon != await_abandoned || !must_go_on(t) || t->deadline || t->scopes)
        return NULL;
    return t->wait->op;
}

static void visit(rs_task *t, rs_task **list, uint64_t search)
{
    if (t->seen == search)
        return;
    t->seen = search;
    t->to_visit = *list;
    *list = t;
}

/* Whether none of the tasks that t awaits, directly or through others, can go on while those that wait in place below `level`
 * are suspended, and t itself too. */
static bool hopeless(sched *s, rs_task *t, int level)
{
    rs_task *list = NULL;
    uint64_t search = ++s->search;
    for (visit(t, &list, search); list;) {
        rs_task *u = list;
        list = u->to_visit;
        if (u != t && u->in_place && u->level < level)
            continue;
        const await_block *a = awaited(u);
        if (!a)
            return false;
        for (int i = 0; i < a->n; i++)
            visit(a->nodes[i].target, &list, search);
    }
    return true;
}

/* t is about to wait: would it, or one that waits in place below it, wait for ever? One that waits in place can go on only
 * when all above it have ended. A task that nobody awaits closes no circle. */
static bool deadlocked(sched *s, rs_task *t, bool in_place)
{
    if (!awaited(t) || (!t->observers && !in_place))
        return false;
    for (int i = 0; t->observers && i < s->depth; i++)
        if (hopeless(s, s->in_place[i], i + 1))
            return true;
    return hopeless(s, t, in_place ? s->depth : 0);
}

/* ---- waits in place ---- */

/* The C stack grows downward everywhere we run. */
static bool stack_used_up(const sched *s)
{
    return s->stack - (char *)__builtin_frame_address(0) > (ptrdiff_t)s->stack_max;
}

static bool finalising(lua_State *L)
{
    lua_Debug ar;
    for (int level = 0; lua_getstack(L, level, &ar); level++) {
        lua_getinfo(L, "n", &ar);
        if (ar.name && strcmp(ar.name, "__gc") == 0 && strcmp(ar.namewhat, "metamethod") == 0)
            return true;
    }
    return false;
}

/* Why the current task can't wait inside a call that can't yield, or NULL. */
static const char *refusal(lua_State *L, sched *s)
{
    if (s->depth >= MAX_DEPTH || stack_used_up(s))
        return too_deep;
    if (finalising(L))
        return in_finaliser;
    return deadlocked(s, s->current, true) ? deadlock : NULL;
}

bool rs_co_parking(lua_State *L)
{
    return sched_of(L)->parking;
}

void rs_co_wait_in_place(lua_State *L)
{
    sched *s = sched_of(L);
    rs_task *t = s->current;
    s->parking = false;
    const char *no = refusal(L, s);
    if (!no)
        wait_in_place(s, t);
    else if (must_go_on(t))
        t->failure = no;
}

/* ---- the door ---- */

void rs_task_check(lua_State *L)
{
    sched *s = sched_of(L);
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
    sched *s = sched_of(L);
    rs_task *t = s->current;
    s->at_once = 0;
    t->wait = w;
    t->timed_out = false;
    t->deadline = 0;
    if (seconds >= 0)
        t->deadline = rs_loop_now() + (uint64_t)llround((seconds < MAX_SECONDS ? seconds : MAX_SECONDS) * 1e9);
    const char *no = NULL;
    if (can_yield(L))
        no = deadlocked(s, t, false) ? deadlock : NULL;
    else
        no = refusal(L, s);
    if (no)
        refuse(L, t, no);
    w->waiter = t;
    w->wake = task_wake;
    if (arm_timer(t))
        refuse(L, t, "not enough memory");
    return t;
}

/* Raises what the task was aborted with; who calls has made w, which nobody will wait for then. */
static void check_abort(lua_State *L, rs_wait *w)
{
    rs_task_check(L);
    rs_task *t = sched_of(L)->current;
    if (!deliverable(t))
        return;
    if (w)
        rs_wait_abandon(w);
    raise_abort(L, t);
}

bool rs_task_goes_on(lua_State *L)
{
    check_abort(L, NULL);
    return ++sched_of(L)->at_once < MAX_AT_ONCE;
}

int rs_task_wait_for(lua_State *L, rs_wait *w, double seconds, lua_KContext ctx, lua_KFunction k)
{
    sched *s = sched_of(L);
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
    wait_in_place(s, t);
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
    sched *s = sched_of(L);
    check_abort(L, w);
    if (w->done && ++s->at_once < MAX_AT_ONCE)
        return true;
    rs_task *t = begin_wait(L, w, seconds);
    wait_in_place(s, t);
    settle(L, t);
    return true;
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
    if (!s->current)
        return;
    push_task(L, s->current);
    if (lua_getiuservalue(L, -1, UV_LOCALS) != LUA_TTABLE) {
        lua_pop(L, 2);
        return;
    }
    lua_replace(L, -2);
    lua_newtable(L);
    for (lua_pushnil(L); lua_next(L, -3);) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, -4);
    }
    lua_setiuservalue(L, -3, UV_LOCALS);
    lua_pop(L, 1);
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
    inherit_locals(L, s);
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
    atomic_store(&s->interrupted, false);
    if (s->main)
        cancel(s->main, why);
}

/* Turns of the loop amid code that doesn't wait: for what has come, and for what follows from it. */
static void take_turn(sched *s, rs_task *t)
{
    if (s->depth >= MAX_DEPTH || stack_used_up(s))
        return;
    rs_wait none = {.done = true};
    rs_wait *outer = t->wait;
    t->wait = &none;
    for (int i = 0; i < MIN_TURNS || (i < MAX_TURNS && s->ready); i++)
        wait_in_place(s, t);
    t->wait = outer;
}

bool rs_task_cancel_front(lua_State *L)
{
    sched *s = sched_of(L);
    atomic_store(&s->impatient, false); /* the loop turns */
    if (!s->front)
        return false;
    cancel(s->front, "interrupted");
    return true;
}

/* Code of ours that is in the midst of a change that others may not see. */
static bool is_ours(lua_State *L, lua_Debug *ar)
{
    static const char ours[] = "@rshell/shared/";
    return lua_getinfo(L, "S", ar) && strncmp(ar->source, ours, sizeof ours - 1) == 0;
}

/* Lets others in, now or as soon as the code of ours that runs has ended. */
static void heed_nudge(sched *s, lua_State *L, rs_task *t, lua_Debug *ar)
{
    if (!is_ours(L, ar)) {
        atomic_store(&s->nudged, false);
        if (!finalising(L))
            take_turn(s, t);
    } else if (!lua_gethook(L)) {
        lua_sethook(L, on_interrupt, LUA_MASKCOUNT, SOON);
    }
}

/* Runs in the interrupted code, at its next instruction. Comes back while the task is aborted, since a pcall may catch the
 * error, but lets closers run for a while. */
static void on_interrupt(lua_State *L, lua_Debug *ar)
{
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
    if (s->hog_since && s->hog_since == s->stamp && t != s->main)
        cancel(t, "interrupted");
    s->hog_since = 0;
    bool impatient = atomic_exchange(&s->impatient, false);
    if (atomic_load(&s->nudged))
        heed_nudge(s, L, t, ar);
    if (impatient && t != s->front && t != s->main) {
        s->hog_since = s->stamp;
        lua_sethook(L, on_interrupt, LUA_MASKCOUNT, HOG);
    }
    if (deliverable(t)) {
        if (t->quick == 0)
            begin_burst(t);
        t->quick--;
        set_interrupt(L, t);
        raise_abort(L, t);
    }
    if (aborted(t)) /* its closers run */
        set_interrupt(L, t);
}

/* At the next instruction of the code that runs. */
static void hook_running(sched *s)
{
    lua_State *L = s->running;
    if (L)
        lua_sethook(L, on_interrupt, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
}

void rs_task_interrupt(void)
{
    sched *s = signalled;
    if (!s)
        return;
    atomic_store(&s->interrupted, true);
    hook_running(s);
}

void rs_task_nudge(void)
{
    sched *s = signalled;
    if (!s)
        return;
    atomic_store(&s->nudged, true);
    hook_running(s);
}

void rs_task_interrupt_front(void)
{
    if (signalled)
        atomic_store(&signalled->impatient, true);
    rs_task_nudge();
}

/* ---- timeouts ---- */

/* Scopes in coroutines may end in another order than they began. */
static void scope_end(scope *sc)
{
    rs_task *t = sc->task;
    if (!t)
        return;
    scope **p = &t->scopes;
    while (*p != sc)
        p = &(*p)->outer;
    *p = sc->outer;
    rs_timer_stop(t->sched->loop, &sc->timer);
    sc->task = NULL;
}

static int scope_gc(lua_State *L)
{
    scope_end(lua_touserdata(L, 1));
    return 0;
}

/* Stack: scope, results or error. */
static int scope_over(lua_State *L, int status, lua_KContext ctx)
{
    (void)ctx;
    scope_end(lua_touserdata(L, 1));
    if (status != LUA_OK && status != LUA_YIELD)
        return lua_error(L);
    return lua_gettop(L) - 1;
}

static scope *scope_new(lua_State *L, rs_task *t, double seconds)
{
    scope *sc = lua_newuserdatauv(L, sizeof *sc, 2);
    *sc = (scope){.co = L, .seconds = seconds};
    luaL_setmetatable(L, "rshell.Timeout");
    lua_pushthread(L);
    lua_setiuservalue(L, -2, 1);
    push_task(L, t);
    lua_setiuservalue(L, -2, 2);
    if (rs_timer_start(t->sched->loop, &sc->timer, seconds, scope_fired))
        luaL_error(L, "not enough memory");
    sc->task = t;
    sc->outer = t->scopes;
    t->scopes = sc;
    return sc;
}

/* timeout(seconds, fn, ...) */
static int l_timeout(lua_State *L)
{
    double seconds = luaL_checknumber(L, 1);
    luaL_checkany(L, 2);
    rs_task_check(L);
    scope_new(L, sched_of(L)->current, seconds);
    lua_replace(L, 1);
    return scope_over(L, lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, scope_over), 0);
}

/* ---- shields ---- */

static int shield_over(lua_State *L, int status, lua_KContext ctx)
{
    (void)ctx;
    rs_task *t = sched_of(L)->current;
    if (t->shield > 0)
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
    int n = push_values(L, i);
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
    if (t == sched_of(L)->current) {
        rs_error_push(L, "usage", "a task can't await itself");
        return lua_error(L);
    }
    await_block *a = await_new(L, 1);
    observe(&a->nodes[0], t, &a->wait);
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

/* front(task): what an interrupt of a prompt cancels, until it is done. */
static int l_front(lua_State *L)
{
    rs_task *t = check_task(L, 1);
    t->sched->front = t->state == DONE ? NULL : t;
    return 0;
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

/* locals(): a table that belongs to the task; tasks that it spawns start with a shallow copy. locals(key): what it has there;
 * most tasks never need the table itself. */
static int l_locals(lua_State *L)
{
    rs_task_check(L);
    bool one = !lua_isnone(L, 1);
    push_task(L, sched_of(L)->current);
    if (lua_getiuservalue(L, -1, UV_LOCALS) == LUA_TNIL && !one) {
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_setiuservalue(L, -4, UV_LOCALS);
        lua_replace(L, -2);
    }
    if (!one || lua_isnil(L, -1))
        return 1;
    lua_pushvalue(L, 1);
    lua_rawget(L, -2);
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
    lua_getiuservalue(L, 1, UV_RESULTS); /* one that has failed has one result: its error */
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

/* Stack: the task. */
static void report_unseen(lua_State *L, rs_task *t)
{
    if (t->failed && !t->observed)
        queue_report(L, t);
    t->observed = true;
}

static int task_gc(lua_State *L)
{
    report_unseen(L, lua_touserdata(L, 1));
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
    {"front", l_front},
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
    lua_newtable(L); /* weak: it keeps no task alive */
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "v");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &failures_key);
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
        if (!let_in(s, true) && t->state == PARKED) {
            t->failure = never_ends;
            make_ready(t);
        }
    }
    s->main = NULL;
    t->observed = true;
    int task = lua_gettop(L);
    push_values(L, task);
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
    cancel(t, "the program has ended");
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

/* What failed, was not awaited, and is still named by somebody. */
static void report_rest(sched *s, lua_State *L)
{
    lua_gc(L, LUA_GCCOLLECT);
    luaL_checkstack(L, 12, "task");
    lua_rawgetp(L, LUA_REGISTRYINDEX, &failures_key);
    int list = lua_gettop(L);
    for (lua_pushnil(L); lua_next(L, list); lua_settop(L, list + 1)) {
        rs_task *t = lua_touserdata(L, -1);
        lua_pushcfunction(L, task_gc);
        lua_insert(L, -2);
        if (!t->observed)
            lua_call(L, 1, 0);
    }
    lua_settop(L, list - 1);
    if (s->unreported)
        report(s);
}

void rs_task_shutdown(lua_State *L, double seconds)
{
    sched *s = sched_of(L);
    rs_timer stop = {0};
    uint64_t now, end = rs_loop_now() + (uint64_t)(seconds * 1e9);
    while (each_task(L, cancel_for_end) && (now = rs_loop_now()) < end) {
        run_ready(s);
        (void)rs_timer_start(s->loop, &stop, (double)(end - now) / 1e9, wake_up); /* the poll may not sleep past it */
        let_in(s, each_task(L, cancel_for_end) > 0);
    }
    rs_timer_stop(s->loop, &stop);
    bury_all(s, L);
    report_rest(s, L);
}
