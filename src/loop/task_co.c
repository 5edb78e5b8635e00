#include "loop/task_co.h"

#include <lauxlib.h>
#include <lualib.h>

#include "loop/task.h"

static lua_State *check_co(lua_State *L, int i)
{
    lua_State *co = lua_tothread(L, i);
    luaL_argexpected(L, co, i, "coroutine");
    return co;
}

enum co_state { CO_RUNNING, CO_DEAD, CO_SUSPENDED, CO_NORMAL };
static const char *const co_names[] = {"running", "dead", "suspended", "normal"};

static enum co_state co_state(lua_State *L, lua_State *co)
{
    if (L == co)
        return CO_RUNNING;
    if (rs_co_noted(co, RS_CO_PARKED))
        return CO_NORMAL;
    lua_Debug ar;
    switch (lua_status(co)) {
    case LUA_YIELD: return rs_co_noted(co, RS_CO_TASK) ? CO_NORMAL : CO_SUSPENDED;
    case LUA_OK:
        if (lua_getstack(co, 0, &ar))
            return CO_NORMAL;
        return lua_gettop(co) == 0 ? CO_DEAD : CO_SUSPENDED;
    default: return CO_DEAD;
    }
}

/* The error of a coroutine that can't be resumed now, or NULL. */
static const char *refusal(lua_State *L, lua_State *co)
{
    if (rs_co_noted(co, RS_CO_PARKED))
        return "cannot resume a coroutine that waits";
    switch (co_state(L, co)) {
    case CO_SUSPENDED: return NULL;
    case CO_DEAD: return "cannot resume dead coroutine";
    default: return "cannot resume non-suspended coroutine";
    }
}

/* Runs co until it yields to its user, ends or fails, which `over` turns into results. When something in it waits, L yields
 * too and goes on at `again`; where L can't, the wait runs inside this call. */
static int run(lua_State *L, lua_State *co, int nargs, lua_KFunction again,
               int (*over)(lua_State *, lua_State *, int, int))
{
    for (;;) {
        int nres, status = rs_co_resume(co, L, nargs, &nres);
        if (status != LUA_YIELD || !rs_co_parking(L))
            return over(L, co, status, nres);
        rs_co_note(co, RS_CO_PARKED, true);
        if (lua_isyieldable(L) && !rs_co_noted(L, RS_CO_CLOSING))
            return lua_yieldk(L, 0, 0, again);
        rs_co_wait_in_place(L);
        rs_co_note(co, RS_CO_PARKED, false);
        nargs = 0;
    }
}

/* Moves the nargs values on top of L to co; false when they don't fit. */
static bool pass_args(lua_State *L, lua_State *co, int nargs)
{
    if (!lua_checkstack(co, nargs))
        return false;
    lua_xmove(L, co, nargs);
    return true;
}

static int pass_results(lua_State *L, lua_State *co, int nres)
{
    luaL_checkstack(L, nres + 1, "too many results to resume");
    lua_xmove(co, L, nres);
    return nres;
}

/* ---- resume ---- */

static int fail(lua_State *L)
{
    lua_pushboolean(L, 0);
    lua_insert(L, -2);
    return 2;
}

static int resume_over(lua_State *L, lua_State *co, int status, int nres)
{
    if (status != LUA_OK && status != LUA_YIELD) {
        lua_xmove(co, L, 1);
        return fail(L);
    }
    luaL_checkstack(L, nres + 1, "too many results to resume");
    lua_pushboolean(L, 1);
    return pass_results(L, co, nres) + 1;
}

static int resume_again(lua_State *L, int status, lua_KContext ctx)
{
    (void)status, (void)ctx;
    lua_State *co = lua_tothread(L, 1);
    rs_co_note(co, RS_CO_PARKED, false);
    return run(L, co, 0, resume_again, resume_over);
}

static int co_resume(lua_State *L)
{
    lua_State *co = check_co(L, 1);
    const char *no = refusal(L, co);
    if (no) {
        lua_pushstring(L, no);
        return fail(L);
    }
    int nargs = lua_gettop(L) - 1;
    if (!pass_args(L, co, nargs)) {
        lua_pushliteral(L, "too many arguments to resume");
        return fail(L);
    }
    return run(L, co, nargs, resume_again, resume_over);
}

/* ---- wrap ---- */

static int close_co(lua_State *co)
{
    rs_co_note(co, RS_CO_CLOSING, true);
    int status = lua_resetthread(co);
    rs_co_note(co, RS_CO_CLOSING, false);
    return status;
}

static int wrap_over(lua_State *L, lua_State *co, int status, int nres)
{
    if (status == LUA_OK || status == LUA_YIELD)
        return pass_results(L, co, nres);
    if (lua_status(co) != LUA_OK && lua_status(co) != LUA_YIELD)
        status = close_co(co);
    lua_xmove(co, L, 1);
    if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
        luaL_where(L, 1);
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

static int wrap_again(lua_State *L, int status, lua_KContext ctx)
{
    (void)status, (void)ctx;
    lua_State *co = lua_tothread(L, lua_upvalueindex(1));
    rs_co_note(co, RS_CO_PARKED, false);
    return run(L, co, 0, wrap_again, wrap_over);
}

static int wrap_call(lua_State *L)
{
    lua_State *co = lua_tothread(L, lua_upvalueindex(1));
    const char *no = refusal(L, co);
    int nargs = lua_gettop(L);
    if (no)
        return luaL_error(L, "%s", no);
    if (!pass_args(L, co, nargs))
        return luaL_error(L, "too many arguments to resume");
    return run(L, co, nargs, wrap_again, wrap_over);
}

/* ---- the rest ---- */

static int co_create(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_State *co = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    return 1;
}

static int co_wrap(lua_State *L)
{
    co_create(L);
    lua_pushcclosure(L, wrap_call, 1);
    return 1;
}

static int co_yield (lua_State *L)
{
    if (rs_co_noted(L, RS_CO_TASK))
        return luaL_error(L, "attempt to yield from outside a coroutine");
    return lua_yield(L, lua_gettop(L));
}

static int co_status(lua_State *L)
{
    lua_pushstring(L, co_names[co_state(L, check_co(L, 1))]);
    return 1;
}

static int co_running(lua_State *L)
{
    lua_pushboolean(L, lua_pushthread(L) || rs_co_noted(L, RS_CO_TASK));
    return 2;
}

static int co_isyieldable(lua_State *L)
{
    lua_State *co = lua_isnone(L, 1) ? L : check_co(L, 1);
    lua_pushboolean(L, lua_isyieldable(co) && !rs_co_noted(co, RS_CO_TASK));
    return 1;
}

static int co_close(lua_State *L)
{
    lua_State *co = check_co(L, 1);
    enum co_state state = co_state(L, co);
    if (state != CO_DEAD && state != CO_SUSPENDED)
        return luaL_error(L, "cannot close a %s coroutine", co_names[state]);
    if (close_co(co) == LUA_OK) {
        lua_pushboolean(L, 1);
        return 1;
    }
    lua_xmove(co, L, 1);
    return fail(L);
}

static const luaL_Reg functions[] = {
    {"close", co_close},   {"create", co_create},   {"isyieldable", co_isyieldable},
    {"resume", co_resume}, {"running", co_running}, {"status", co_status},
    {"wrap", co_wrap},     {"yield", co_yield },    {NULL, NULL},
};

void rs_co_install(lua_State *L)
{
    lua_getglobal(L, LUA_COLIBNAME);
    luaL_setfuncs(L, functions, 0);
    lua_pop(L, 1);
}
