#include <lauxlib.h>

#include "loop/task_error.h"
#include "sys/digest.h"
#include "sys/sys.h"

#define HASH "rshell.Hash"

/* hash.sha256(s) and its like; the class is the upvalue. */
static int hash_string(lua_State *L)
{
    const rs_digest_class *class = lua_touserdata(L, lua_upvalueindex(1));
    size_t n;
    const char *s = luaL_checklstring(L, 1, &n);
    unsigned char out[RS_DIGEST_MAX];
    char hex[2 * RS_DIGEST_MAX + 1];
    rs_digest d;
    rs_digest_init(&d, class);
    rs_digest_update(&d, s, n);
    rs_digest_final(&d, out);
    rs_digest_hex(out, rs_digest_size(class), hex);
    lua_pushstring(L, hex);
    return 1;
}

static int hash_new(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    const rs_digest_class *class = rs_digest_find(name);
    if (!class) {
        rs_error_push(L, "usage", "no hash '%s': md5, sha1, sha256, sha512 and xxh64 are known", name);
        return lua_error(L);
    }
    rs_digest *d = lua_newuserdatauv(L, sizeof *d, 0);
    rs_digest_init(d, class);
    luaL_setmetatable(L, HASH);
    return 1;
}

static int hash_update(lua_State *L)
{
    rs_digest *d = luaL_checkudata(L, 1, HASH);
    size_t n;
    const char *s = luaL_checklstring(L, 2, &n);
    rs_digest_update(d, s, n);
    lua_settop(L, 1);
    return 1;
}

/* Of a copy: the object can be fed on, and asked again. */
static const rs_digest_class *so_far(lua_State *L, unsigned char *out)
{
    rs_digest *d = luaL_checkudata(L, 1, HASH), copy = *d;
    rs_digest_final(&copy, out);
    return d->class;
}

static int hash_hex(lua_State *L)
{
    unsigned char out[RS_DIGEST_MAX];
    char hex[2 * RS_DIGEST_MAX + 1];
    const rs_digest_class *class = so_far(L, out);
    rs_digest_hex(out, rs_digest_size(class), hex);
    lua_pushstring(L, hex);
    return 1;
}

static int hash_digest(lua_State *L)
{
    unsigned char out[RS_DIGEST_MAX];
    const rs_digest_class *class = so_far(L, out);
    lua_pushlstring(L, (const char *)out, rs_digest_size(class));
    return 1;
}

static int hash_tostring(lua_State *L)
{
    rs_digest *d = luaL_checkudata(L, 1, HASH);
    lua_pushfstring(L, "hash: %s of %I bytes", rs_digest_name(d->class), (LUAI_UACINT)d->bytes);
    return 1;
}

static const luaL_Reg methods[] = {
    {"update", hash_update},
    {"hex", hash_hex},
    {"digest", hash_digest},
    {NULL, NULL},
};

static void make_metatable(lua_State *L)
{
    luaL_newmetatable(L, HASH);
    lua_pushcfunction(L, hash_tostring);
    lua_setfield(L, -2, "__tostring");
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}

int luaopen_rs_hash(lua_State *L)
{
    const rs_digest_class *class;
    make_metatable(L);
    lua_newtable(L);
    for (size_t i = 0; (class = rs_digest_at(i)); i++) {
        lua_pushlightuserdata(L, (void *)class);
        lua_pushcclosure(L, hash_string, 1);
        lua_setfield(L, -2, rs_digest_name(class));
    }
    lua_pushcfunction(L, hash_new);
    lua_setfield(L, -2, "new");
    return 1;
}
