#include <lauxlib.h>
#include <string.h>

#include "loop/task_state.h"

#define RS_LOG_MODULE "task"
#include "base/log.h"

static char failures_key, unreported_key, report_key;

void rs_task_remember_failure(lua_State *L, rs_task *t)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &failures_key);
    lua_pushvalue(L, -2);
    lua_rawsetp(L, -2, t);
    lua_pop(L, 1);
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

/* Stack: the task, at index i. What is collected is not told of itself: `alive` is false then. */
static void queue_report(lua_State *L, int i, bool alive)
{
    rs_task *t = lua_touserdata(L, i);
    int top = lua_gettop(L);
    lua_getiuservalue(L, i, UV_RESULTS); /* one that has failed has one result: its error */
    if (!is_cancelled(L) && lua_rawgetp(L, LUA_REGISTRYINDEX, &unreported_key) == LUA_TTABLE) {
        lua_createtable(L, 3, 0);
        lua_pushvalue(L, -3);
        lua_rawseti(L, -2, 1);
        lua_getiuservalue(L, i, UV_TRACE);
        lua_rawseti(L, -2, 2);
        if (alive) {
            lua_pushvalue(L, i);
            lua_rawseti(L, -2, 3);
        }
        lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
        t->sched->unreported = true;
    }
    t->reported = true;
    lua_settop(L, top);
}

int rs_task_gc(lua_State *L)
{
    rs_task *t = lua_touserdata(L, 1);
    if (t->failed && !t->observed && !t->reported)
        queue_report(L, 1, false);
    t->observed = true;
    return 0;
}

void rs_task_report_soon(lua_State *L, rs_task *t)
{
    if (t->eager && !t->observed && !t->observers)
        queue_report(L, lua_gettop(L), true);
}

int rs_task_report_early(lua_State *L)
{
    rs_task *t = rs_task_check_arg(L, 1);
    lua_settop(L, 1);
    t->eager = true;
    if (t->state == DONE && t->failed && !t->reported)
        rs_task_report_soon(L, t);
    return 0;
}

int rs_task_is_observed(lua_State *L)
{
    lua_pushboolean(L, rs_task_check_arg(L, 1)->observed);
    return 1;
}

void rs_task_report(sched *s)
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
        lua_rawgeti(L, list + 1, 3);
        if (lua_isfunction(L, -4) && lua_pcall(L, 3, 0, 0) != LUA_OK)
            rs_error("a task failed and the report of it did too: %s", lua_tostring(L, -1));
        lua_settop(L, list);
    }
    lua_settop(L, list - 1);
}

void rs_task_report_rest(sched *s, lua_State *L)
{
    lua_gc(L, LUA_GCCOLLECT);
    luaL_checkstack(L, 12, "task");
    lua_rawgetp(L, LUA_REGISTRYINDEX, &failures_key);
    int list = lua_gettop(L);
    for (lua_pushnil(L); lua_next(L, list); lua_settop(L, list + 1)) {
        rs_task *t = lua_touserdata(L, -1);
        lua_pushcfunction(L, rs_task_gc);
        lua_insert(L, -2);
        if (!t->observed)
            lua_call(L, 1, 0);
    }
    lua_settop(L, list - 1);
    if (s->unreported)
        rs_task_report(s);
}

int rs_task_on_unobserved(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &report_key);
    return 0;
}

void rs_task_report_init(lua_State *L)
{
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &unreported_key);
    lua_newtable(L); /* weak: it keeps no task alive */
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "v");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &failures_key);
}
