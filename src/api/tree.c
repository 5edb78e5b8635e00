/* The Lua module rshell.tree.
 *
 *     read(bytes) -> {root=, through=, uid=, users=, groups=, ...}   or nil, text, "EPROTOCOL"
 *     meter() -> m                     m:add(block or bytes) -> files, bytes, index: what has passed in a pack, the current place
 *     number(n) -> bytes
 *     name(number, rel) -> bytes       of a list of names, for rshell.sys.tree
 *     owners(users_bytes, groups_bytes) -> bytes            the head of a plan
 *     step(what, rel [, flags, text [, mode, seconds, ns, uid, gid, attributes]]) -> bytes   of a plan; see tree_unpack.h
 *
 * root is a node of rshell.transfer.plan, nil where there was nothing; users and groups are names by number, where the list
 * has them, and users_bytes, groups_bytes as it has them. Names of a list may come from anywhere: one that is no plain
 * name is refused. */
#include "api/tree.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>

#include "base/err.h"
#include "loop/task_error.h"
#include "sys/block.h"
#include "sys/digest.h"
#include "sys/tree_stream.h"

#define METER "rshell.tree.Meter"

enum { ATTRIBUTES = 2, DIGESTS = 4, DEPTH_MAX = 1000000 };

typedef struct record {
    uint64_t depth, mode, size, seconds, ns, uid, gid, nlink, dev, ino;
    char type;
    rs_tree_bytes name, target, attributes, digest;
} record;

/* ---- reading ---- */

static bool read_record(rs_tree_bytes *b, uint64_t flags, record *r)
{
    *r = (record){0};
    if (!rs_tree_get(b, &r->depth) || b->at == b->end)
        return false;
    r->type = *b->at++;
    uint64_t *const numbers[] = {&r->mode, &r->size,  &r->seconds, &r->ns, &r->uid,
                                 &r->gid,  &r->nlink, &r->dev,     &r->ino};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (!rs_tree_get(b, numbers[i]))
            return false;
    return rs_tree_get_text(b, &r->name) && (r->type != 'l' || rs_tree_get_text(b, &r->target)) &&
           (!(flags & ATTRIBUTES) || rs_tree_get_text(b, &r->attributes)) &&
           (!(flags & DIGESTS) || rs_tree_get_text(b, &r->digest));
}

static size_t length(rs_tree_bytes text)
{
    return (size_t)(text.end - text.at);
}

static bool is_plain(rs_tree_bytes name)
{
    size_t n = length(name);
    bool dots = (n == 1 && name.at[0] == '.') || (n == 2 && name.at[0] == '.' && name.at[1] == '.');
    return n > 0 && !dots && !memchr(name.at, '/', n) && !memchr(name.at, 0, n);
}

static void set_integer(lua_State *L, const char *key, uint64_t n)
{
    lua_pushinteger(L, (lua_Integer)n);
    lua_setfield(L, -2, key);
}

static void set_text(lua_State *L, const char *key, rs_tree_bytes text)
{
    lua_pushlstring(L, text.at, length(text));
    lua_setfield(L, -2, key);
}

/* In hexadecimal digits. */
static void set_digest(lua_State *L, rs_tree_bytes raw)
{
    char text[2 * RS_DIGEST_MAX + 1];
    size_t n = length(raw) < RS_DIGEST_MAX ? length(raw) : RS_DIGEST_MAX;
    rs_digest_hex((const unsigned char *)raw.at, n, text);
    lua_pushstring(L, text);
    lua_setfield(L, -2, "digest");
}

static const char *type_name(char letter)
{
    switch (letter) {
    case 'f': return "file";
    case 'd': return "dir";
    case 'l': return "link";
    case 's': return "socket";
    case 'p': return "fifo";
    case 'b': return "block";
    case 'c': return "char";
    default: return NULL;
    }
}

static void push_stat(lua_State *L, const record *r, uint64_t flags)
{
    int64_t seconds = (int64_t)(r->seconds & 1 ? ~(r->seconds >> 1) : r->seconds >> 1);
    lua_createtable(L, 0, 14);
    lua_pushstring(L, type_name(r->type));
    lua_setfield(L, -2, "type");
    set_integer(L, "mode", r->mode & 07777);
    set_integer(L, "size", r->size);
    set_integer(L, "seconds", (uint64_t)seconds);
    set_integer(L, "ns", r->ns);
    lua_pushnumber(L, (double)seconds + (double)r->ns / 1e9);
    lua_setfield(L, -2, "mtime");
    set_integer(L, "uid", r->uid);
    set_integer(L, "gid", r->gid);
    set_integer(L, "nlink", r->nlink);
    set_integer(L, "dev", r->dev);
    set_integer(L, "ino", r->ino);
    if (r->type == 'l')
        set_text(L, "target", r->target);
    if (flags & ATTRIBUTES)
        set_text(L, "attributes", r->attributes);
    if (length(r->digest))
        set_digest(L, r->digest);
}

/* Pushes {stat=, names=, at=}. */
static void push_node(lua_State *L, const record *r, uint64_t flags)
{
    lua_createtable(L, 0, 3);
    push_stat(L, r, flags);
    lua_setfield(L, -2, "stat");
    lua_newtable(L);
    lua_setfield(L, -2, "names");
    lua_newtable(L);
    lua_setfield(L, -2, "at");
}

/* The new node is on top; its folder is nodes[depth - 1]. */
static void add_to_folder(lua_State *L, int nodes, const record *r)
{
    lua_rawgeti(L, nodes, (lua_Integer)r->depth);
    lua_getfield(L, -1, "names");
    lua_pushlstring(L, r->name.at, length(r->name));
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    lua_pop(L, 1);
    lua_getfield(L, -1, "at");
    lua_pushlstring(L, r->name.at, length(r->name));
    lua_pushvalue(L, -4);
    lua_rawset(L, -3);
    lua_pop(L, 2);
}

/* nodes: the folders on the way to the last one, by depth and 1. */
static bool read_nodes(lua_State *L, rs_tree_bytes *b, uint64_t flags, int nodes)
{
    uint64_t depth = 0;
    for (bool first = true; b->at < b->end; first = false) {
        record r;
        if (!read_record(b, flags, &r) || !type_name(r.type) || r.depth > DEPTH_MAX)
            return false;
        if (first ? r.depth != 0 : r.depth == 0 || r.depth > depth + 1 || !is_plain(r.name))
            return false;
        push_node(L, &r, flags);
        if (r.depth > 0)
            add_to_folder(L, nodes, &r);
        lua_rawseti(L, nodes, (lua_Integer)r.depth + 1);
        depth = r.depth;
    }
    return true;
}

/* Names by number. */
static bool push_owners(lua_State *L, rs_tree_bytes b)
{
    uint64_t id;
    rs_tree_bytes name;
    lua_newtable(L);
    while (b.at < b.end) {
        if (!rs_tree_get(&b, &id) || !rs_tree_get_text(&b, &name))
            return false;
        lua_pushlstring(L, name.at, length(name));
        lua_rawseti(L, -2, (lua_Integer)id);
    }
    return true;
}

static bool read_list(lua_State *L, rs_tree_bytes b)
{
    uint64_t flags, uid;
    rs_tree_bytes users, groups;
    if (!rs_tree_get(&b, &flags) || !rs_tree_get(&b, &uid) || !rs_tree_get_text(&b, &users) ||
        !rs_tree_get_text(&b, &groups))
        return false;
    lua_createtable(L, 0, 6);
    lua_pushboolean(L, flags & 1);
    lua_setfield(L, -2, "through");
    set_integer(L, "uid", uid);
    set_text(L, "users_bytes", users);
    set_text(L, "groups_bytes", groups);
    if (!push_owners(L, users))
        return false;
    lua_setfield(L, -2, "users");
    if (!push_owners(L, groups))
        return false;
    lua_setfield(L, -2, "groups");
    lua_newtable(L);
    if (!read_nodes(L, &b, flags, lua_gettop(L)))
        return false;
    lua_rawgeti(L, -1, 1);
    lua_setfield(L, -3, "root");
    lua_pop(L, 1);
    return true;
}

static int tree_read(lua_State *L)
{
    size_t n;
    const char *bytes = luaL_checklstring(L, 1, &n);
    if (read_list(L, (rs_tree_bytes){bytes, bytes + n}))
        return 1;
    lua_pushnil(L);
    lua_pushliteral(L, "what came is no list of a tree");
    lua_pushstring(L, rs_err_name(RS_EPROTO));
    return 3;
}

/* ---- writing ---- */

static void add_number(luaL_Buffer *b, uint64_t n)
{
    for (; n > 127; n >>= 7)
        luaL_addchar(b, (char)(n | 128));
    luaL_addchar(b, (char)n);
}

static void add_text(luaL_Buffer *b, const char *text, size_t n)
{
    add_number(b, n);
    luaL_addlstring(b, text, n);
}

/* With the NUL that ends it. */
static void add_name(lua_State *L, luaL_Buffer *b, int arg)
{
    size_t n;
    const char *name = luaL_optlstring(L, arg, "", &n);
    add_text(b, name, n + 1);
}

static int tree_number(lua_State *L)
{
    luaL_Buffer b;
    uint64_t n = (uint64_t)luaL_checkinteger(L, 1);
    luaL_buffinit(L, &b);
    add_number(&b, n);
    luaL_pushresult(&b);
    return 1;
}

static int tree_name(lua_State *L)
{
    luaL_Buffer b;
    size_t n;
    uint64_t number = (uint64_t)luaL_checkinteger(L, 1);
    const char *name = luaL_checklstring(L, 2, &n);
    luaL_buffinit(L, &b);
    add_number(&b, number);
    luaL_addlstring(&b, name, n + 1);
    luaL_pushresult(&b);
    return 1;
}

static int tree_owners(lua_State *L)
{
    luaL_Buffer b;
    luaL_checkstring(L, 1);
    luaL_checkstring(L, 2);
    luaL_buffinit(L, &b);
    for (int arg = 1; arg <= 2; arg++) {
        size_t n;
        const char *text = lua_tolstring(L, arg, &n);
        add_text(&b, text, n);
    }
    luaL_pushresult(&b);
    return 1;
}

/* A number and 1; 0 for nil. */
static void add_given(lua_State *L, luaL_Buffer *b, int arg)
{
    add_number(b, lua_isnoneornil(L, arg) ? 0 : (uint64_t)luaL_checkinteger(L, arg) + 1);
}

static void add_attributes(lua_State *L, luaL_Buffer *b)
{
    int64_t seconds = luaL_optinteger(L, 6, 0);
    add_given(L, b, 5);
    add_number(b, seconds < 0 ? ~((uint64_t)seconds << 1) : (uint64_t)seconds << 1);
    add_given(L, b, 7);
    add_given(L, b, 8);
    add_given(L, b, 9);
    size_t n = 0;
    const char *attributes = luaL_optlstring(L, 10, "", &n);
    add_text(b, attributes, n);
}

static int tree_step(lua_State *L)
{
    luaL_Buffer b;
    const char *what = luaL_checkstring(L, 1);
    lua_settop(L, 10); /* the buffer takes what stands behind them */
    luaL_buffinit(L, &b);
    luaL_addchar(&b, *what);
    add_name(L, &b, 2);
    if (strchr("flh", *what)) {
        add_number(&b, (uint64_t)luaL_optinteger(L, 3, 0));
        add_name(L, &b, 4);
    }
    if (strchr("dfla", *what))
        add_attributes(L, &b);
    luaL_pushresult(&b);
    return 1;
}

/* ---- counting ---- */

static int tree_meter(lua_State *L)
{
    rs_tree_reader *r = lua_newuserdatauv(L, sizeof *r, 0);
    *r = (rs_tree_reader){0};
    luaL_setmetatable(L, METER);
    return 1;
}

static int meter_add(lua_State *L)
{
    rs_tree_reader *r = luaL_checkudata(L, 1, METER);
    const rs_buf *block = rs_block_test(L, 2);
    size_t n = block ? rs_buf_len(block) : 0;
    const char *bytes = block ? rs_buf_data(block) : luaL_checklstring(L, 2, &n);
    rs_tree_bytes b = {bytes, bytes + n}, data;
    for (rs_tree_event e = RS_TREE_DATA; e != RS_TREE_MORE && e != RS_TREE_BAD;)
        e = rs_tree_read(r, &b, &data);
    lua_pushinteger(L, (lua_Integer)r->files);
    lua_pushinteger(L, (lua_Integer)r->bytes);
    lua_pushinteger(L, (lua_Integer)r->index + 1);
    return 3;
}

int luaopen_rs_tree_nodes(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"read", tree_read}, {"name", tree_name},     {"owners", tree_owners},
        {"step", tree_step}, {"number", tree_number}, {"meter", tree_meter},
        {NULL, NULL},
    };
    static const luaL_Reg meter[] = {{"add", meter_add}, {NULL, NULL}};
    luaL_newmetatable(L, METER);
    lua_newtable(L);
    luaL_setfuncs(L, meter, 0);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
