#include "api/editor.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <string.h>

#include "base/trip.h"
#include "loop/signal.h"
#include "loop/task.h"
#include "loop/task_error.h"
#include "term/editor.h"

static const char *const events[] = {
    [RS_EDITOR_ENTER] = "enter",         [RS_EDITOR_LINE] = "line",         [RS_EDITOR_END] = "end",
    [RS_EDITOR_INTERRUPT] = "interrupt", [RS_EDITOR_COMPLETE] = "complete", [RS_EDITOR_LIST] = "list",
};

/* Lua's own files write where C's stdout and stderr point now. */
static void follow(lua_State *L, const char *name, FILE *to)
{
    lua_getglobal(L, LUA_IOLIBNAME);
    lua_getfield(L, -1, name);
    luaL_Stream *file = luaL_checkudata(L, -1, LUA_FILEHANDLE);
    file->f = to;
    lua_pop(L, 2);
}

/* open(): true, or nil, text, NAME */
static int l_open(lua_State *L)
{
    int err = rs_editor_open(rs_task_loop(L));
    if (err)
        return rs_error_edge(L, err);
    follow(L, "stdout", stdout);
    follow(L, "stderr", stderr);
    lua_pushboolean(L, true);
    return 1;
}

static int l_close(lua_State *L)
{
    (void)L;
    rs_editor_close();
    return 0;
}

/* start(prompt [, text]) */
static int l_start(lua_State *L)
{
    int err = rs_editor_start(luaL_checkstring(L, 1), luaL_optstring(L, 2, ""));
    return err ? rs_error_raise(L, err, "no line can be started now") : 0;
}

static int awaited(lua_State *L, int status, lua_KContext ctx)
{
    (void)status, (void)ctx;
    lua_pushstring(L, events[rs_editor_last()]);
    return 1;
}

/* await(): what happened: "enter", "line", "end", "interrupt", "complete" or "list" */
static int l_await(lua_State *L)
{
    rs_task_check(L);
    rs_wait *w = lua_newuserdatauv(L, sizeof *w, 0);
    int err = rs_editor_await(w);
    if (err)
        return rs_error_raise(L, err, "no line is being typed");
    return rs_task_wait(L, w, 0, awaited);
}

/* text(): the line, and how many of its bytes are before the cursor */
static int l_text(lua_State *L)
{
    size_t at;
    const char *text = rs_editor_text(&at);
    if (!text)
        return 0;
    lua_pushstring(L, text);
    lua_pushinteger(L, (lua_Integer)at);
    return 2;
}

/* replace(from, to, text): the bytes behind the first `from` up to the one with the number `to` */
static int l_replace(lua_State *L)
{
    lua_Integer from = luaL_checkinteger(L, 1), to = luaL_checkinteger(L, 2);
    const char *text = luaL_checkstring(L, 3);
    luaL_argcheck(L, from >= 0 && to >= from, 2, "a range expected");
    rs_editor_replace((size_t)from, (size_t)to, text);
    return 0;
}

/* finish([mark]) */
static int l_finish(lua_State *L)
{
    rs_editor_finish(luaL_optstring(L, 1, ""));
    return 0;
}

static int l_remember(lua_State *L)
{
    rs_editor_remember(luaL_checkstring(L, 1));
    return 0;
}

/* setting(name): of ~/.inputrc */
static int l_setting(lua_State *L)
{
    lua_pushstring(L, rs_editor_setting(luaL_checkstring(L, 1)));
    return 1;
}

static void on_interrupt(void *user)
{
    if (!rs_editor_interrupt())
        (void)rs_task_cancel_front(user);
}

/* divert_interrupts(on): Ctrl-C is for the line, or for the task that task.front names, and no longer for the program. */
static int l_divert_interrupts(lua_State *L)
{
    bool on = lua_toboolean(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
    rs_signal_divert_int(on ? rs_task_interrupt_front : NULL, on_interrupt, lua_tothread(L, -1));
    return 0;
}

/* trace([on]): whether each round trip and frame is told; how many there were */
static int l_trace(lua_State *L)
{
    if (!lua_isnone(L, 1))
        rs_trip_set(lua_toboolean(L, 1));
    lua_pushboolean(L, rs_trip_on());
    lua_pushinteger(L, (lua_Integer)rs_trip_count());
    lua_pushinteger(L, (lua_Integer)rs_trip_frames());
    return 3;
}

static const luaL_Reg functions[] = {
    {"open", l_open},       {"close", l_close},
    {"start", l_start},     {"await", l_await},
    {"text", l_text},       {"replace", l_replace},
    {"finish", l_finish},   {"remember", l_remember},
    {"setting", l_setting}, {"divert_interrupts", l_divert_interrupts},
    {"trace", l_trace},     {NULL, NULL},
};

int luaopen_rs_editor(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
