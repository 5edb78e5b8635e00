#include <lauxlib.h>
#include <limits.h>
#include <string.h>

#include "base/err.h"
#include "loop/task_error.h"
#include "loop/task_state.h"

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

const await_block *rs_task_awaited(const rs_wait *w)
{
    return w->abandon == await_abandoned ? w->op : NULL;
}

void rs_task_tell_observers(rs_task *t)
{
    while (t->observers) {
        observer *o = t->observers;
        t->observers = o->next;
        if (o->next)
            o->next->at = &t->observers;
        o->at = NULL;
        rs_wait_done(o->wait, 0);
    }
}

static await_block *await_new(lua_State *L, int n)
{
    await_block *a = lua_newuserdatauv(L, sizeof *a + (size_t)n * sizeof a->nodes[0], 0);
    rs_wait_init(&a->wait, await_abandoned, a);
    a->n = n;
    memset(a->nodes, 0, (size_t)n * sizeof a->nodes[0]);
    return a;
}

/* Pushes the results of the task at index i, or raises its error. */
static int push_results(lua_State *L, int i)
{
    rs_task *t = lua_touserdata(L, i);
    t->observed = true;
    int n = rs_task_push_values(L, i);
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

void rs_task_no_more(lua_State *L, const char *name, int n)
{
    if (lua_isnoneornil(L, n + 1))
        return;
    rs_error_push(L, "usage", "%s takes %s, and got a %s more", name, n == 1 ? "no arguments" : "one argument",
                  luaL_typename(L, n + 1));
    lua_error(L);
}

/* The time that was given to await; none is -1. */
static double await_seconds(lua_State *L)
{
    if (lua_isnoneornil(L, 2))
        return -1;
    double seconds = lua_type(L, 2) == LUA_TNUMBER ? lua_tonumber(L, 2) : -1;
    if (seconds >= 0)
        return seconds;
    rs_error_push(L, "usage", "await: a number of seconds expected, got %s", luaL_tolstring(L, 2, NULL));
    return lua_error(L);
}

int rs_task_await(lua_State *L)
{
    rs_task *t = rs_task_check_arg(L, 1);
    rs_task_no_more(L, "await", 2);
    double seconds = await_seconds(L);
    if (t->state == DONE)
        return push_results(L, 1);
    rs_task_check(L);
    if (t == rs_sched_of(L)->current) {
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

int rs_task_select(lua_State *L)
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
        rs_task *t = luaL_testudata(L, -1, RS_TASK);
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

static int unwound(lua_State *L, int status, lua_KContext ctx)
{
    (void)L, (void)status, (void)ctx;
    return 0;
}

/* Stack: the task. Waits until it has unwound. */
static int await_unwound(lua_State *L)
{
    rs_task *t = rs_task_check_arg(L, 1);
    await_block *a = await_new(L, 1);
    observe(&a->nodes[0], t, &a->wait);
    return rs_task_wait_for(L, &a->wait, RS_SHIELD_SECONDS, 0, unwound);
}

int rs_task_close(lua_State *L)
{
    rs_task *t = rs_task_check_arg(L, 1);
    t->observed = true;
    if (t->state == DONE || t == rs_sched_of(L)->current)
        return 0;
    rs_task_cancel(t, "the task was closed");
    lua_settop(L, 1);
    lua_pushcfunction(L, await_unwound);
    lua_insert(L, 1);
    return rs_task_shield(L);
}
