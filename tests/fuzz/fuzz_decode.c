/* Any bytes as a message: what can be decoded can be encoded and decoded once more, and takes memory by its length. */
#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "base/err.h"
#include "fuzz.h"
#include "wire/codec.h"
#include "wire/value.h"

/* A message of empty tables is the worst: a table and its place in another one for each byte, and once more where the
 * tables have numbers. */
enum { MOST_PER_BYTE = 200, MOST_EXTRA = 64 * 1024 };

static size_t live, peak;

static void *counted(void *user, void *old, size_t had, size_t wanted)
{
    (void)user;
    live += wanted - (old ? had : 0);
    if (live > peak)
        peak = live;
    if (wanted > 0)
        return realloc(old, wanted);
    free(old);
    return NULL;
}

/* import(ext, ...): a table that knows what it was made of. */
static int import(lua_State *L)
{
    int n = lua_gettop(L);
    CHECK(rs_ext_is_hooked((int)lua_tointeger(L, 1)));
    lua_createtable(L, n, 1);
    for (int i = 1; i <= n; i++) {
        lua_pushvalue(L, i);
        lua_rawseti(L, -2, i);
    }
    lua_pushinteger(L, n);
    lua_setfield(L, -2, "n");
    luaL_newmetatable(L, "imported");
    lua_setmetatable(L, -2);
    return 1;
}

static int export(lua_State *L)
{
    lua_getfield(L, 1, "n");
    int n = (int)lua_tointeger(L, -1);
    lua_settop(L, 1);
    luaL_checkstack(L, n, NULL);
    for (int i = 1; i <= n; i++)
        lua_rawgeti(L, 1, i);
    return n;
}

enum { EXPORT = 1, IMPORT = 2 };

static size_t decode(lua_State *L, const char *bytes, size_t n)
{
    int count = 0, top = lua_gettop(L);
    lua_gc(L, LUA_GCSTOP);
    size_t before = peak = live;
    int err = rs_codec_decode(L, bytes, n, IMPORT, &count);
    CHECK(peak - before <= MOST_EXTRA + MOST_PER_BYTE * n);
    lua_gc(L, LUA_GCRESTART);
    CHECK(err == 0 || err == RS_EPROTO);
    CHECK(lua_gettop(L) == top + (err ? 1 : count));
    CHECK(!err || lua_type(L, -1) == LUA_TSTRING);
    return err ? 0 : (size_t)count;
}

static int once(lua_State *L)
{
    const char *bytes = lua_touserdata(L, 1);
    size_t n = (size_t)lua_tointeger(L, 2);
    rs_buf *out = lua_touserdata(L, 3);
    lua_settop(L, 0);
    lua_pushcfunction(L, export);
    lua_pushcfunction(L, import);
    int count = (int)decode(L, bytes, n);
    if (count == 0)
        return 0;
    CHECK(rs_codec_encode(L, 3, 2 + count, EXPORT, out) == 0);
    CHECK(lua_gettop(L) == 2 + count);
    lua_settop(L, 2);
    CHECK((int)decode(L, rs_buf_data(out), rs_buf_len(out)) == count);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    rs_buf out;
    live = 0;
    lua_State *L = lua_newstate(counted, NULL); /* new each time, so that nothing is left of the input before */
    CHECK(L);
    rs_buf_init(&out, 0);
    lua_pushcfunction(L, once);
    lua_pushlightuserdata(L, (void *)data);
    lua_pushinteger(L, (lua_Integer)n);
    lua_pushlightuserdata(L, &out);
    /* Only the depth of C calls ends in an error: of hooks inside hooks inside hooks. */
    if (lua_pcall(L, 3, 0, 0) != LUA_OK)
        CHECK(strstr(lua_tostring(L, -1), "C stack overflow"));
    lua_close(L);
    CHECK(live == 0);
    rs_buf_fini(&out);
    return 0;
}
