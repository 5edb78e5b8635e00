#include <lauxlib.h>
#include <string.h>

#include "base/err.h"
#include "loop/task_error.h"
#include "loop/task_event.h"
#include "loop/task_state.h"

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
    rs_task_new(L, rs_sched_of(L), lua_gettop(L) - 1);
    return 1;
}

static int l_cancel(lua_State *L)
{
    rs_task *t = rs_task_check_arg(L, 1);
    rs_task_no_more(L, "cancel", 1);
    lua_pushboolean(L, rs_task_cancel(t, "the task was cancelled"));
    return 1;
}

/* front(task): what an interrupt of a prompt cancels, until it is done. */
static int l_front(lua_State *L)
{
    rs_task *t = rs_task_check_arg(L, 1);
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
    sched *s = rs_sched_of(L);
    if (!s->current)
        return 0;
    rs_task_push(L, s->current);
    return 1;
}

/* locals(): a table that belongs to the task; tasks that it spawns start with a shallow copy. locals(key): what it has there;
 * most tasks never need the table itself. */
static int l_locals(lua_State *L)
{
    rs_task_check(L);
    bool one = !lua_isnone(L, 1);
    rs_task *t = rs_sched_of(L)->current;
    if (one && !t->has_locals) {
        lua_pushnil(L);
        return 1;
    }
    rs_task_push(L, t);
    if (!t->has_locals) {
        lua_newtable(L);
        lua_setiuservalue(L, -2, UV_LOCALS);
        t->has_locals = true;
    }
    lua_getiuservalue(L, -1, UV_LOCALS);
    if (!one)
        return 1;
    lua_pushvalue(L, 1);
    lua_rawget(L, -2);
    return 1;
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

/* ---- one task ---- */

static const char *state_name(const rs_task *t)
{
    switch (t->state) {
    case DONE: return t->failed ? "failed" : "done";
    case RUNNING: return "running";
    case PARKED: return "waiting";
    default: return "ready";
    }
}

static int l_close(lua_State *L)
{
    rs_task_check_arg(L, 1);
    rs_task_no_more(L, "close", 1);
    return rs_task_close(L);
}

static int task_index(lua_State *L)
{
    rs_task *t = rs_task_check_arg(L, 1);
    const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
    if (strcmp(key, "done") == 0)
        lua_pushboolean(L, t->state == DONE);
    else if (strcmp(key, "failed") == 0)
        lua_pushboolean(L, t->state == DONE && t->failed);
    else if (strcmp(key, "status") == 0)
        lua_pushstring(L, state_name(t));
    else if (strcmp(key, "traceback") == 0)
        lua_getiuservalue(L, 1, UV_TRACE);
    else if (lua_getmetatable(L, 1)) {
        lua_pushvalue(L, 2);
        lua_gettable(L, -2); /* not raw: rshell.primitives says what becomes of other names */
    }
    return 1;
}

static int task_tostring(lua_State *L)
{
    rs_task *t = rs_task_check_arg(L, 1);
    lua_pushfstring(L, "task (%s)", state_name(t));
    return 1;
}

static const luaL_Reg task_methods[] = {
    {"await", rs_task_await},      {"cancel", l_cancel},       {"close", l_close},   {"__index", task_index},
    {"__tostring", task_tostring}, {"__close", rs_task_close}, {"__gc", rs_task_gc}, {NULL, NULL},
};

static const luaL_Reg task_functions[] = {
    {"spawn", l_spawn},
    {"sleep", l_sleep},
    {"now", l_now},
    {"select", rs_task_select},
    {"timeout", rs_task_timeout},
    {"shield", rs_task_shield},
    {"current", l_current},
    {"front", l_front},
    {"locals", l_locals},
    {"on_unobserved", rs_task_on_unobserved},
    {"report_early", rs_task_report_early},
    {"is_observed", rs_task_is_observed},
    {"event", rs_event_new},
    {"error_metatable", l_error_metatable},
    {"error_kind", l_error_kind},
    {NULL, NULL},
};

void rs_task_lua_init(lua_State *L)
{
    luaL_newmetatable(L, RS_TASK);
    luaL_setfuncs(L, task_methods, 0);
    lua_pop(L, 1);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    luaL_newlib(L, task_functions);
    lua_setfield(L, -2, "rshell.task");
    lua_pop(L, 1);
}
