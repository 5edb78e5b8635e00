/* Any values there and back: the bytes are a program that builds values on Lua's stack, tables that share and hold
 * themselves included. What comes back has the same shape. */
#include <lauxlib.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/err.h"
#include "fuzz.h"
#include "wire/codec.h"
#include "wire/value.h"

struct program {
    const uint8_t *at, *end;
};

static unsigned next(struct program *p)
{
    return p->at < p->end ? *p->at++ : 0;
}

static uint64_t next_number(struct program *p)
{
    uint64_t x = 0;
    for (unsigned width = next(p) % 9; width > 0; width--)
        x = x << 8 | next(p);
    return x;
}

/* Lengths around those where a head changes, too. */
static void push_string(lua_State *L, struct program *p)
{
    static const size_t lengths[] = {31, 32, 255, 256, 65535, 65536};
    unsigned n = next(p);
    luaL_Buffer b;
    if (n < 16) {
        char *s = luaL_buffinitsize(L, &b, 16);
        for (unsigned i = 0; i < n; i++)
            s[i] = (char)next(p);
        luaL_pushresultsize(&b, n);
    } else {
        size_t length = lengths[n % (sizeof lengths / sizeof *lengths)];
        memset(luaL_buffinitsize(L, &b, length), (int)n, length);
        luaL_pushresultsize(&b, length);
    }
}

static void push_float(lua_State *L, struct program *p)
{
    uint64_t bits = next_number(p);
    double x;
    memcpy(&x, &bits, sizeof x);
    lua_pushnumber(L, x);
}

/* The values are at 3 and above, a list of all tables that were made is at 2. */
enum { EXPORT = 1, TABLES = 2, FIRST = 3, MOST = 100 };

static void push_table(lua_State *L, bool marked)
{
    lua_newtable(L);
    if (marked)
        luaL_setmetatable(L, RS_CODEC_ARRAY);
    lua_pushvalue(L, -1);
    lua_rawseti(L, TABLES, (lua_Integer)lua_rawlen(L, TABLES) + 1);
}

static void push_old_table(lua_State *L, struct program *p)
{
    lua_Integer n = (lua_Integer)lua_rawlen(L, TABLES);
    if (n > 0)
        lua_rawgeti(L, TABLES, (lua_Integer)next_number(p) % n + 1);
}

static bool is_plain(lua_State *L, int index)
{
    return lua_gettop(L) >= FIRST - index - 1 && lua_istable(L, index);
}

static bool may_be_key(lua_State *L)
{
    return !lua_isnil(L, -2) && !(lua_type(L, -2) == LUA_TNUMBER && isnan(lua_tonumber(L, -2)));
}

static void step(lua_State *L, struct program *p)
{
    static int object;
    switch (next(p) % 16) {
    case 0: lua_pushnil(L); break;
    case 1: lua_pushboolean(L, (int)next(p) & 1); break;
    case 2:
    case 3: lua_pushinteger(L, (lua_Integer)next_number(p)); break;
    case 4: lua_pushinteger(L, -(lua_Integer)(next_number(p) >> 1)); break;
    case 5: push_float(L, p); break;
    case 6:
    case 7: push_string(L, p); break;
    case 8: push_table(L, false); break;
    case 9: push_table(L, true); break;
    case 10: push_old_table(L, p); break;
    case 11: lua_pushlightuserdata(L, NULL); break;
    case 12: lua_pushlightuserdata(L, &object); break;
    case 13: /* table[key] = value */
        if (is_plain(L, -3) && may_be_key(L))
            lua_rawset(L, -3);
        break;
    default: /* table[#table + 1] = value */
        if (is_plain(L, -2))
            lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    }
}

/* Objects go as what is on the list of tables, which is shared then. */
static int export(lua_State *L)
{
    lua_pushinteger(L, RS_EXT_MINE);
    lua_pushinteger(L, 5);
    lua_pushvalue(L, lua_upvalueindex(1));
    return 3;
}

/* import(ext, 5, list) */
static int import(lua_State *L)
{
    CHECK(lua_gettop(L) == 3 && lua_tointeger(L, 1) == RS_EXT_MINE && lua_tointeger(L, 2) == 5 && lua_istable(L, 3));
    lua_pushlightuserdata(L, lua_newuserdatauv(L, 1, 0));
    return 1;
}

static void compare(lua_State *L, int a, int b, int seen);

static bool is_simple(lua_State *L, int index)
{
    int type = lua_type(L, index);
    return type != LUA_TTABLE && type != LUA_TLIGHTUSERDATA;
}

/* Keys that are tables or objects have no equal there; how many there are is compared at least. */
static void compare_tables(lua_State *L, int a, int b, int seen)
{
    int pairs = 0, others = 0;
    luaL_checkstack(L, 10, NULL);
    lua_pushvalue(L, a);
    lua_rawget(L, seen);
    if (!lua_isnil(L, -1)) {
        CHECK(lua_rawequal(L, -1, b));
        lua_pop(L, 1);
        return;
    }
    lua_pop(L, 1);
    lua_pushvalue(L, a);
    lua_pushvalue(L, b);
    lua_rawset(L, seen);
    CHECK(lua_getmetatable(L, a) == lua_getmetatable(L, b));
    lua_settop(L, b);
    lua_pushnil(L);
    while (lua_next(L, a)) {
        pairs++;
        if (is_simple(L, -2)) {
            lua_pushvalue(L, -2);
            lua_rawget(L, b);
            compare(L, lua_gettop(L) - 1, lua_gettop(L), seen);
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
    }
    for (lua_pushnil(L); lua_next(L, b); lua_pop(L, 1))
        others++;
    CHECK(pairs == others);
}

/* b is on top. */
static void compare(lua_State *L, int a, int b, int seen)
{
    CHECK(lua_type(L, a) == lua_type(L, b));
    if (lua_istable(L, a)) {
        compare_tables(L, a, b, seen);
    } else if (lua_type(L, a) == LUA_TNUMBER) {
        lua_Number x = lua_tonumber(L, a), y = lua_tonumber(L, b);
        CHECK(lua_isinteger(L, a) == lua_isinteger(L, b));
        CHECK(lua_rawequal(L, a, b) || (isnan(x) && isnan(y)));
        CHECK(isnan(x) || signbit(x) == signbit(y));
    } else if (lua_type(L, a) == LUA_TLIGHTUSERDATA) {
        CHECK((lua_touserdata(L, a) == NULL) == (lua_touserdata(L, b) == NULL));
    } else {
        CHECK(lua_rawequal(L, a, b));
    }
}

/* Stack: export, tables, values..., then import, seen, the values that came back. */
static void there_and_back(lua_State *L, rs_buf *out)
{
    int count = 0, last = lua_gettop(L);
    int err = rs_codec_encode(L, FIRST, last, EXPORT, out);
    if (err) {
        CHECK(err == RS_ELIMIT && strstr(lua_tostring(L, -1), "200 levels") && rs_buf_len(out) == 0);
        return;
    }
    CHECK(lua_gettop(L) == last);
    lua_pushcfunction(L, import);
    lua_newtable(L);
    CHECK(rs_codec_decode(L, rs_buf_data(out), rs_buf_len(out), last + 1, &count) == 0);
    CHECK(count == last - FIRST + 1);
    for (int i = 0; i < count; i++) {
        lua_pushvalue(L, last + 3 + i);
        compare(L, FIRST + i, lua_gettop(L), last + 2);
        lua_pop(L, 1);
    }
}

static int once(lua_State *L)
{
    struct program p = *(struct program *)lua_touserdata(L, 1);
    rs_buf *out = lua_touserdata(L, 2);
    lua_settop(L, 0);
    luaL_newmetatable(L, RS_CODEC_ARRAY);
    lua_pop(L, 1);
    lua_pushnil(L);
    lua_newtable(L);
    lua_pushvalue(L, TABLES);
    lua_pushcclosure(L, export, 1);
    lua_replace(L, EXPORT);
    luaL_checkstack(L, MOST + 10, NULL);
    while (p.at < p.end && lua_gettop(L) < MOST)
        step(L, &p);
    there_and_back(L, out);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct program p = {data, data + n};
    rs_buf out;
    lua_State *L = luaL_newstate();
    CHECK(L);
    rs_buf_init(&out, 0);
    lua_pushcfunction(L, once);
    lua_pushlightuserdata(L, &p);
    lua_pushlightuserdata(L, &out);
    if (lua_pcall(L, 2, 0, 0) != LUA_OK)
        CHECK(strstr(lua_tostring(L, -1), "C stack overflow"));
    lua_close(L);
    rs_buf_fini(&out);
    return 0;
}
