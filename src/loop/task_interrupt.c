#include <lauxlib.h>
#include <limits.h>
#include <string.h>

#include "loop/task_error.h"
#include "loop/task_state.h"

#define MIN_TURNS 2 /* of the loop, amid code that doesn't wait */
#define MAX_TURNS 16
#define SOON 100         /* instructions */
#define DEFERRALS 10000  /* of so many, after which code with the name of ours is as any other */
#define PATIENCE 1000000 /* instructions until an aborted task that goes on is interrupted again */
#define HOG                                                                                                            \
    (50 * PATIENCE) /* instructions that code has after an interrupt that isn't for it, until it lets the loop turn */
#define MAX_RAISES 100 /* aborts raised by its waits until it is, if that is sooner */

/* The one that a signal handler may touch: the last that was initialised. */
static sched *volatile signalled;

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

void rs_task_pass_interrupt(lua_State *from, lua_State *to, const rs_task *t)
{
    if (t && lua_gethook(from) == on_interrupt && (t->quick > 0 || lua_gethook(to) != on_interrupt))
        set_interrupt(to, t);
}

void rs_task_limit(lua_State *L, const rs_task *t)
{
    if (rs_task_aborted(t) && !lua_gethook(L))
        set_interrupt(L, t);
}

/* A loop that catches what is raised here would raise it again at once, and nobody else would ever run: code that goes on is
 * interrupted wherever it is. */
int rs_task_raise_abort(lua_State *L, rs_task *t)
{
    const scope *sc = t->cancelled ? NULL : rs_task_aborting_scope(t);
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

void rs_task_cancel_main(lua_State *L, const char *why)
{
    sched *s = rs_sched_of(L);
    atomic_store(&s->interrupted, false);
    if (s->main)
        rs_task_cancel(s->main, why);
}

/* Turns of the loop amid code that doesn't wait: for what has come, and for what follows from it. */
static void take_turn(sched *s, rs_task *t)
{
    if (rs_sched_is_deep(s))
        return;
    rs_wait none = {.done = true};
    rs_wait *outer = t->wait;
    t->wait = &none;
    for (int i = 0; i < MIN_TURNS || (i < MAX_TURNS && s->ready); i++)
        rs_task_wait_in_place(s, t);
    t->wait = outer;
}

bool rs_task_cancel_front(lua_State *L)
{
    sched *s = rs_sched_of(L);
    atomic_store(&s->impatient, false); /* the loop turns */
    if (!s->front)
        return false;
    rs_task_cancel(s->front, "interrupted");
    return true;
}

/* Code of ours that is in the midst of a change that others may not see: between looking whether something has happened and
 * waiting for it, say. A C function that it has called is a part of it. */
static bool is_ours(lua_State *L)
{
    static const char *const ours[] = {"@rshell/", "@agent/"};
    lua_Debug ar;
    for (int level = 0; lua_getstack(L, level, &ar); level++) {
        lua_getinfo(L, "S", &ar);
        if (*ar.what == 'C')
            continue;
        return !strncmp(ar.source, ours[0], strlen(ours[0])) || !strncmp(ar.source, ours[1], strlen(ours[1]));
    }
    return false;
}

void rs_sched_turns(sched *s)
{
    s->deferrals = 0;
    atomic_store(&s->nudged, false);
}

/* Lets others in now, or, while code of ours runs, soon: false. */
static bool heed_nudge(sched *s, lua_State *L, rs_task *t)
{
    if (is_ours(L) && s->deferrals++ < DEFERRALS) {
        if (!lua_gethook(L))
            lua_sethook(L, on_interrupt, LUA_MASKCOUNT, SOON);
        return false;
    }
    rs_sched_turns(s);
    if (!rs_task_finalising(L))
        take_turn(s, t);
    return true;
}

/* Runs in the interrupted code, at its next instruction. Comes back while the task is rs_task_aborted, since a pcall may catch the
 * error, but lets closers run for a while. */
static void on_interrupt(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    sched *s = rs_sched_of(L);
    rs_task *t = s->current;
    lua_sethook(L, NULL, 0, 0);
    if (!t)
        return;
    if (atomic_exchange(&s->interrupted, false)) {
        if (s->main)
            rs_task_cancel(s->main, "interrupted");
        rs_task_cancel(t, "interrupted");
    }
    if (s->hog_since && s->hog_since == s->stamp && t != s->main)
        rs_task_cancel(t, "interrupted");
    s->hog_since = 0;
    bool impatient = atomic_exchange(&s->impatient, false);
    bool deferred = atomic_load(&s->nudged) && !heed_nudge(s, L, t);
    if (deferred && impatient) {
        atomic_store(&s->impatient, true);
    } else if (impatient && t != s->front && t != s->main) {
        s->hog_since = s->stamp;
        lua_sethook(L, on_interrupt, LUA_MASKCOUNT, HOG);
    }
    if (rs_task_deliverable(t)) {
        if (t->quick == 0)
            begin_burst(t);
        t->quick--;
        set_interrupt(L, t);
        rs_task_raise_abort(L, t);
    }
    if (rs_task_aborted(t) && !deferred) /* its closers run */
        set_interrupt(L, t);
}

/* ---- from signal handlers ---- */

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

void rs_sched_take_signals(sched *s)
{
    signalled = s;
}

void rs_sched_leave_signals(sched *s)
{
    if (signalled == s)
        signalled = NULL;
}
