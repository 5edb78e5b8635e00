#include <lauxlib.h>
#include <stddef.h>

#include "loop/task_state.h"

#define TIMEOUT "rshell.Timeout"

/* False while the coroutine in which the scope began is suspended by its user: what runs now is outside of it. */
static bool entered(const scope *sc)
{
    return lua_status(sc->co) != LUA_YIELD || rs_co_noted(sc->co, RS_CO_PARKED | RS_CO_TASK);
}

const scope *rs_task_aborting_scope(const rs_task *t)
{
    const scope *outermost = NULL;
    for (const scope *sc = t->scopes; sc; sc = sc->outer)
        if (sc->over && entered(sc))
            outermost = sc;
    return outermost;
}

bool rs_task_aborted(const rs_task *t)
{
    return t->cancelled || rs_task_aborting_scope(t);
}

bool rs_task_deliverable(const rs_task *t)
{
    return t->failure || (rs_task_aborted(t) && (t->shield == 0 || rs_loop_now() >= t->shield_end));
}

static void timer_fired(rs_timer *timer)
{
    rs_task *t = (rs_task *)((char *)timer - offsetof(rs_task, timer));
    if (t->wait && t->deadline && rs_loop_now() >= t->deadline)
        t->timed_out = true;
    if (t->timed_out || rs_task_deliverable(t))
        rs_task_make_ready(t);
    else if (t->wait)
        (void)rs_task_arm_timer(t);
}

int rs_task_arm_timer(rs_task *t)
{
    uint64_t at = t->deadline;
    if (t->shield > 0 && (!at || t->shield_end < at) && rs_task_aborted(t))
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
    t->shield_end = rs_loop_now() + (uint64_t)(RS_SHIELD_SECONDS * 1e9);
}

static void begin_abort(rs_task *t)
{
    start_shield_clock(t);
    t->raises = t->burst = t->quick = 0;
}

/* It was aborted: it goes on with that now, or when its closers have had their time. */
static void deliver(rs_task *t)
{
    if (rs_task_deliverable(t))
        rs_task_make_ready(t);
    else if (t->wait)
        (void)rs_task_arm_timer(t);
}

bool rs_task_cancel(rs_task *t, const char *why)
{
    if (t->state == DONE || t->cancelled)
        return false;
    if (!rs_task_aborted(t))
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
    if (!rs_task_aborted(t))
        begin_abort(t);
    sc->over = true;
    if (t->state != DONE)
        deliver(t);
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
    rs_task_push(L, t);
    lua_setiuservalue(L, -2, 2);
    if (rs_timer_start(t->sched->loop, &sc->timer, seconds, scope_fired))
        luaL_error(L, "not enough memory");
    sc->task = t;
    sc->outer = t->scopes;
    t->scopes = sc;
    return sc;
}

int rs_task_timeout(lua_State *L)
{
    double seconds = luaL_checknumber(L, 1);
    luaL_checkany(L, 2);
    rs_task_check(L);
    scope_new(L, rs_sched_of(L)->current, seconds);
    lua_replace(L, 1);
    return scope_over(L, lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, scope_over), 0);
}

/* ---- shields ---- */

static int shield_over(lua_State *L, int status, lua_KContext ctx)
{
    (void)ctx;
    rs_task *t = rs_sched_of(L)->current;
    if (t->shield > 0)
        t->shield--;
    if (status != LUA_OK && status != LUA_YIELD)
        return lua_error(L);
    return lua_gettop(L);
}

int rs_task_shield(lua_State *L)
{
    luaL_checkany(L, 1);
    rs_task_check(L);
    rs_task *t = rs_sched_of(L)->current;
    if (t->shield++ == 0)
        start_shield_clock(t);
    return shield_over(L, lua_pcallk(L, lua_gettop(L) - 1, LUA_MULTRET, 0, 0, shield_over), 0);
}

void rs_task_abort_init(lua_State *L)
{
    luaL_newmetatable(L, TIMEOUT);
    lua_pushcfunction(L, scope_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
}
