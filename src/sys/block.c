#include "sys/block.h"

#include <lauxlib.h>

#include "wire/codec_bulk.h"

#define BLOCK "rshell.Block"

enum {
    SPARES = 4,                /* about as many are under way in a transfer */
    LEAST = 64 * 1024,         /* bytes that are worth keeping */
    LARGEST = 2 * 1024 * 1024, /* bytes at most that are kept */
};

static rs_buf spares[SPARES];
static int n_spares;

void rs_block_get(rs_buf *b)
{
    rs_buf_init(b, 0);
    if (n_spares > 0)
        rs_buf_swap(b, &spares[--n_spares]);
}

void rs_block_put(rs_buf *b)
{
    rs_buf_clear(b);
    if (n_spares < SPARES && b->cap >= LEAST && b->cap <= LARGEST)
        rs_buf_swap(b, &spares[n_spares++]);
    rs_buf_fini(b);
}

void rs_block_trim(void)
{
    while (n_spares > 0)
        rs_buf_fini(&spares[--n_spares]);
}

rs_buf *rs_block_push(lua_State *L)
{
    rs_buf *b = lua_newuserdatauv(L, sizeof *b, 0);
    rs_block_get(b);
    luaL_setmetatable(L, BLOCK);
    return b;
}

rs_buf *rs_block_test(lua_State *L, int i)
{
    return luaL_testudata(L, i, BLOCK);
}

static int block_text(lua_State *L)
{
    const rs_buf *b = luaL_checkudata(L, 1, BLOCK);
    rs_bulk_push(L, rs_buf_data(b), rs_buf_len(b));
    return 1;
}

static int block_len(lua_State *L)
{
    const rs_buf *b = luaL_checkudata(L, 1, BLOCK);
    lua_pushinteger(L, (lua_Integer)rs_buf_len(b));
    return 1;
}

static int block_gc(lua_State *L)
{
    rs_block_put(luaL_checkudata(L, 1, BLOCK));
    return 0;
}

void rs_block_register(lua_State *L)
{
    static const luaL_Reg methods[] = {{"text", block_text}, {"__len", block_len}, {"__gc", block_gc}, {NULL, NULL}};
    luaL_newmetatable(L, BLOCK);
    luaL_setfuncs(L, methods, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
