#include <lauxlib.h>
#include <limits.h>
#include <math.h>
#include <stdbool.h>

#include "base/err.h"
#include "wire/codec.h"
#include "wire/codec_bulk.h"
#include "wire/value.h"

enum { SLOTS = 12 };

/* Builds what rs_value_check has found well: no byte is looked at that isn't there, and only hooks can fail. Each build
 * function pushes one value. Where tables are there twice, one at the stack index `seen` has all of them by number. */
struct decoder {
    lua_State *L;
    const char *at, *end;
    int import, seen; /* 0: none */
    lua_Integer tables;
};

static bool build_value(struct decoder *d);

static void read_head(struct decoder *d, rs_value *v)
{
    const char *wrong;
    d->at = rs_value_read(d->at, d->end, v, &wrong);
}

/* Leaves a message instead of a value. */
static bool fail(struct decoder *d, const char *wrong)
{
    lua_pushstring(d->L, wrong);
    return false;
}

/* The size of a table, from the start: so many elements have come, and rs_keys counts on it. */
static int hint(size_t n)
{
    return n < INT_MAX ? (int)n : INT_MAX;
}

/* Gives the new table on top its number. */
static void number(struct decoder *d)
{
    d->tables++;
    if (d->seen) {
        lua_pushvalue(d->L, -1);
        lua_rawseti(d->L, d->seen, d->tables);
    }
}

static bool build_array(struct decoder *d, size_t n)
{
    lua_State *L = d->L;
    lua_createtable(L, hint(n), 0);
    number(d);
    for (size_t i = 1; i <= n; i++) {
        if (!build_value(d))
            return false;
        lua_rawseti(L, -2, (lua_Integer)i);
    }
    return true;
}

/* The check knows of every key but those that the hook makes. */
static bool is_no_key(lua_State *L)
{
    return lua_isnil(L, -1) || (lua_type(L, -1) == LUA_TNUMBER && isnan(lua_tonumber(L, -1)));
}

static bool build_map(struct decoder *d, size_t n)
{
    lua_State *L = d->L;
    lua_createtable(L, 0, hint(n));
    number(d);
    for (; n > 0; n--) {
        if (!build_value(d))
            return false;
        if (is_no_key(L))
            return fail(d, "nil or NaN as a key");
        if (!build_value(d))
            return false;
        lua_rawset(L, -3);
    }
    return true;
}

static bool build_table(struct decoder *d, const rs_value *v)
{
    if (!lua_checkstack(d->L, SLOTS))
        return fail(d, "Lua's stack is full");
    return v->kind == RS_ARRAY ? build_array(d, v->n) : build_map(d, v->n);
}

static bool build_marked(struct decoder *d)
{
    rs_value v;
    read_head(d, &v);
    if (!build_table(d, &v))
        return false;
    luaL_newmetatable(d->L, RS_CODEC_ARRAY);
    lua_setmetatable(d->L, -2);
    return true;
}

static bool build_shared(struct decoder *d)
{
    rs_value v;
    read_head(d, &v);
    lua_rawgeti(d->L, d->seen, v.integer + 1);
    return true;
}

/* import(ext, values...) */
static bool build_imported(struct decoder *d, const rs_value *ext)
{
    lua_State *L = d->L;
    if (!lua_checkstack(L, SLOTS))
        return fail(d, "Lua's stack is full");
    lua_pushvalue(L, d->import);
    int function = lua_gettop(L);
    lua_pushinteger(L, ext->ext);
    while (d->at < ext->bytes + ext->n) {
        if (!lua_checkstack(L, SLOTS))
            return fail(d, "Lua's stack is full");
        if (!build_value(d))
            return false;
    }
    lua_call(L, lua_gettop(L) - function, 2);
    if (lua_isnil(L, -2) && lua_isstring(L, -1))
        return false;
    lua_pop(L, 1);
    return true;
}

static bool build_ext(struct decoder *d, const rs_value *v)
{
    d->at = v->bytes;
    switch (v->ext) {
    case RS_EXT_SHARED: return build_shared(d);
    case RS_EXT_NULL: lua_pushlightuserdata(d->L, NULL); return true;
    case RS_EXT_ARRAY: return build_marked(d);
    default: return build_imported(d, v);
    }
}

static bool build_value(struct decoder *d)
{
    lua_State *L = d->L;
    rs_value v;
    read_head(d, &v);
    switch (v.kind) {
    case RS_NIL: lua_pushnil(L); return true;
    case RS_BOOLEAN: lua_pushboolean(L, v.integer != 0); return true;
    case RS_INTEGER: lua_pushinteger(L, v.integer); return true;
    case RS_FLOAT: lua_pushnumber(L, v.number); return true;
    case RS_STRING: rs_bulk_push(L, v.bytes, v.n); return true;
    case RS_ARRAY:
    case RS_MAP: return build_table(d, &v);
    default: return build_ext(d, &v);
    }
}

/* The message is on top; `top` is what was there before. */
static int give_up(lua_State *L, int top)
{
    lua_insert(L, top + 1);
    lua_settop(L, top + 1);
    return RS_EPROTO;
}

static int build(struct decoder *d, const rs_value_sum *sum, int *count)
{
    lua_State *L = d->L;
    int top = lua_gettop(L);
    if (sum->values > INT_MAX - SLOTS || !lua_checkstack(L, (int)sum->values + SLOTS)) {
        lua_pushfstring(L, "a message of %I values is too long", (LUAI_UACINT)sum->values);
        return RS_EPROTO;
    }
    if (sum->shared) {
        lua_createtable(L, hint(sum->tables), 0);
        d->seen = top + 1;
    }
    while (d->at < d->end)
        if (!build_value(d))
            return give_up(L, top);
    if (d->seen)
        lua_remove(L, d->seen);
    *count = (int)sum->values;
    return 0;
}

static int check(lua_State *L, const char *bytes, size_t n, bool hooks, rs_value_sum *sum)
{
    const char *wrong;
    size_t where;
    luaL_checkstack(L, SLOTS, "values to receive");
    if (!rs_value_check(bytes, n, hooks, sum, &wrong, &where))
        return 0;
    lua_pushfstring(L, "%s (at byte %I)", wrong, (LUAI_UACINT)where);
    return RS_EPROTO;
}

int rs_codec_decode(lua_State *L, const char *bytes, size_t n, int import, int *count)
{
    struct decoder d = {.L = L, .at = bytes, .end = bytes + n, .import = import};
    rs_value_sum sum;
    int err = check(L, bytes, n, import != 0, &sum);
    return err ? err : build(&d, &sum, count);
}

int rs_codec_decode_plain(lua_State *L, const char *bytes, size_t n, int *count)
{
    struct decoder d = {.L = L, .at = bytes, .end = bytes + n};
    rs_value_sum sum;
    int err = check(L, bytes, n, true, &sum);
    if (err)
        return err;
    return sum.hooked ? RS_EUSAGE : build(&d, &sum, count);
}
