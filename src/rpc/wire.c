#include "rpc/wire.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "loop/task_error.h"
#include "wire/codec.h"
#include "wire/codec_bulk.h"

#define SCRATCH "rshell.wire.scratch"

enum { KEEP = 64 * 1024 };

/* Where a message is written, kept from call to call: the upvalue of encode. One that is in use, by a call that a hook
 * interrupts or has ended with an error, is left to that call, and a new one takes its place. */
struct scratch {
    rs_buf out;
    bool used;
};

static int scratch_gc(lua_State *L)
{
    struct scratch *s = luaL_checkudata(L, 1, SCRATCH);
    rs_buf_fini(&s->out);
    return 0;
}

static struct scratch *push_scratch(lua_State *L)
{
    struct scratch *s = lua_newuserdatauv(L, sizeof *s, 0);
    *s = (struct scratch){.used = false};
    rs_buf_init(&s->out, 0);
    if (luaL_newmetatable(L, SCRATCH)) {
        lua_pushcfunction(L, scratch_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return s;
}

/* Leaves it on the stack, which keeps it whatever becomes of the upvalue. */
static struct scratch *take_scratch(lua_State *L)
{
    struct scratch *s = lua_touserdata(L, lua_upvalueindex(1));
    if (s->used) {
        s = push_scratch(L);
        lua_pushvalue(L, -1);
        lua_replace(L, lua_upvalueindex(1));
    } else {
        lua_pushvalue(L, lua_upvalueindex(1));
    }
    s->used = true;
    rs_buf_clear(&s->out);
    return s;
}

static int hook(lua_State *L)
{
    if (lua_isnil(L, 1))
        return 0;
    luaL_checktype(L, 1, LUA_TFUNCTION);
    return 1;
}

static int wire_encode(lua_State *L)
{
    luaL_checkany(L, 1);
    int last = lua_gettop(L), export = hook(L);
    struct scratch *s = take_scratch(L);
    int err = rs_codec_encode(L, 2, last, export, &s->out);
    if (err) {
        s->used = false;
        if (err == -ENOMEM)
            return lua_error(L);
        rs_error_push(L, "usage", "%s", lua_tostring(L, -1));
        return lua_error(L);
    }
    rs_bulk_push(L, rs_buf_data(&s->out), rs_buf_len(&s->out));
    if (s->out.cap > KEEP)
        rs_buf_fini(&s->out);
    s->used = false;
    return 1;
}

static int wire_decode(lua_State *L)
{
    size_t n;
    int count;
    luaL_checkany(L, 1);
    const char *bytes = luaL_checklstring(L, 2, &n);
    lua_settop(L, 2);
    int err = rs_codec_decode(L, bytes, n, hook(L), &count);
    if (!err)
        return count;
    lua_pushnil(L);
    lua_insert(L, -2);
    lua_pushstring(L, rs_err_name(err));
    return 3;
}

int luaopen_rs_wire(lua_State *L)
{
    lua_createtable(L, 0, 2);
    push_scratch(L);
    lua_pushcclosure(L, wire_encode, 1);
    lua_setfield(L, -2, "encode");
    lua_pushcfunction(L, wire_decode);
    lua_setfield(L, -2, "decode");
    return 1;
}
