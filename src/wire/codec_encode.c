#include <errno.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "wire/bytes.h"
#include "wire/codec.h"
#include "wire/value.h"

enum { FEW = 16, SLOTS = 12, LONG = 64 * 1024 };

/* Where the writer is, for messages: the stack index of a map's key, or the position in an array. */
struct level {
    int key;
    lua_Integer position;
};

struct numbered {
    const void *table;
    uint32_t number;
};

/* Bytes are written behind the buffer's end and become part of it when all is well. Tables are known by their address:
 * the first FEW are searched for one by one, then there is a hash in a userdata, which the stack keeps. Two stack slots are
 * ours from `slots` on: that userdata, and a table of all tables that hooks gave, so that no address is used twice. */
struct encoder {
    lua_State *L;
    rs_buf *out;
    char *at, *end; /* the next byte, and where the room ends */
    int export, slots;
    rs_codec_aside *asides; /* NULL: nothing is left aside */
    int *nasides;
    int err;
    const char *wrong; /* static */
    size_t values, tables;
    struct numbered *hash;
    size_t hash_size; /* a power of two */
    int value, depth;
    const void *few[FEW];
    struct level level[RS_VALUE_DEPTH];
};

static bool fail(struct encoder *e, int err, const char *wrong)
{
    e->err = err;
    e->wrong = wrong;
    return false;
}

/* The bytes so far are part of the buffer while it moves. */
static bool grow(struct encoder *e, size_t n)
{
    size_t old = rs_buf_len(e->out), written = e->at ? (size_t)(e->at - rs_buf_data(e->out)) - old : 0;
    char *to;
    rs_buf_commit(e->out, written);
    int err = rs_buf_reserve(e->out, n, &to);
    e->out->len = old;
    if (err)
        return fail(e, err, err == RS_ELIMIT ? "the message is too long" : "not enough memory");
    e->at = to;
    e->end = e->out->mem + e->out->cap;
    if ((size_t)(e->end - e->at) > e->out->max - old - written)
        e->end = e->at + (e->out->max - old - written);
    return true;
}

static inline bool room(struct encoder *e, size_t n)
{
    return (e->at && (size_t)(e->end - e->at) >= n) || grow(e, n);
}

/* Bytes from the buffer's first on; the buffer may move, so places are kept as such. */
static size_t offset(const struct encoder *e)
{
    return (size_t)(e->at - rs_buf_data(e->out));
}

static char *at_offset(const struct encoder *e, size_t from)
{
    return e->out->mem + e->out->start + from;
}

static bool put_byte(struct encoder *e, unsigned char c)
{
    if (!room(e, 1))
        return false;
    *e->at++ = (char)c;
    return true;
}

/* A first byte and a number behind it, into bytes that are there; returns what is behind. */
static char *write8(char *to, unsigned char first, uint64_t n)
{
    to[0] = (char)first;
    to[1] = (char)n;
    return to + 2;
}

static char *write16(char *to, unsigned char first, uint64_t n)
{
    to[0] = (char)first;
    rs_put16(to + 1, (uint16_t)n);
    return to + 3;
}

static char *write32(char *to, unsigned char first, uint64_t n)
{
    to[0] = (char)first;
    rs_put32(to + 1, (uint32_t)n);
    return to + 5;
}

static char *write64(char *to, unsigned char first, uint64_t n)
{
    to[0] = (char)first;
    rs_put64(to + 1, n);
    return to + 9;
}

static bool put_integer(struct encoder *e, lua_Integer x)
{
    lua_Unsigned u = (lua_Unsigned)x;
    if (!room(e, 9))
        return false;
    if (x >= -32 && x < 128)
        *e->at++ = (char)x;
    else if (x >= 0)
        e->at = u <= UINT8_MAX    ? write8(e->at, 0xcc, u)
                : u <= UINT16_MAX ? write16(e->at, 0xcd, u)
                : u <= UINT32_MAX ? write32(e->at, 0xce, u)
                                  : write64(e->at, 0xcf, u);
    else
        e->at = x >= INT8_MIN    ? write8(e->at, 0xd0, u)
                : x >= INT16_MIN ? write16(e->at, 0xd1, u)
                : x >= INT32_MIN ? write32(e->at, 0xd2, u)
                                 : write64(e->at, 0xd3, u);
    return true;
}

static bool put_float(struct encoder *e, lua_Number x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (!room(e, 9))
        return false;
    e->at = write64(e->at, 0xcb, bits);
    return true;
}

/* What stands above the values may be gone before the message is sent, and what is inside of something may still be moved. */
static bool may_stay(const struct encoder *e, int index, size_t n)
{
    return n >= LONG && e->asides && index < e->slots && e->depth == 0 && *e->nasides < RS_CODEC_ASIDES;
}

static bool put_bytes(struct encoder *e, int index, const char *s, size_t n)
{
    if (may_stay(e, index, n)) {
        e->asides[(*e->nasides)++] = (rs_codec_aside){offset(e), s, n};
        return true;
    }
    if (!room(e, n))
        return false;
    memcpy(e->at, s, n);
    e->at += n;
    return true;
}

static bool put_string(struct encoder *e, int index)
{
    size_t n;
    const char *s = lua_tolstring(e->L, index, &n);
    if (n > RS_VALUE_LONGEST)
        return fail(e, RS_ELIMIT, "a string of more than 1 GiB can't be sent");
    if (!room(e, 5))
        return false;
    if (n < 32)
        *e->at++ = (char)(0xa0 | n);
    else
        e->at = n <= UINT8_MAX    ? write8(e->at, 0xd9, n)
                : n <= UINT16_MAX ? write16(e->at, 0xda, n)
                                  : write32(e->at, 0xdb, n);
    return put_bytes(e, index, s, n);
}

/* The head of a table of n elements or pairs, in 1, 3 or 5 bytes. */
static size_t head_length(size_t n)
{
    return n < 16 ? 1 : n <= UINT16_MAX ? 3 : 5;
}

static char *write_head(char *to, bool map, size_t n)
{
    if (n < 16) {
        *to = (char)((map ? 0x80 : 0x90) | n);
        return to + 1;
    }
    return n <= UINT16_MAX ? write16(to, map ? 0xde : 0xdc, n) : write32(to, map ? 0xdf : 0xdd, n);
}

/* Makes `wanted` bytes of the `had` at an offset by moving what was written behind them. */
static bool widen(struct encoder *e, size_t from, size_t had, size_t wanted)
{
    if (wanted > had && !room(e, wanted - had))
        return false;
    char *to = at_offset(e, from);
    if (wanted != had)
        memmove(to + wanted, to + had, (size_t)(e->at - to) - had);
    e->at += (ptrdiff_t)wanted - (ptrdiff_t)had;
    return true;
}

/* An extension's payload follows and is measured when it is there. */
enum { EXT_GUESS = 3 };

static bool begin_ext(struct encoder *e, size_t *from)
{
    if (!room(e, EXT_GUESS))
        return false;
    *from = offset(e);
    e->at += EXT_GUESS;
    return true;
}

static bool end_ext(struct encoder *e, size_t from, int ext)
{
    size_t n = offset(e) - from - EXT_GUESS;
    bool fixed = n == 1 || n == 2 || n == 4 || n == 8 || n == 16;
    if (n > RS_VALUE_LONGEST)
        return fail(e, RS_ELIMIT, "an object of more than 1 GiB can't be sent");
    if (!widen(e, from, EXT_GUESS, fixed ? 2 : n <= UINT8_MAX ? 3 : n <= UINT16_MAX ? 4 : 6))
        return false;
    char *to = at_offset(e, from);
    if (fixed)
        *to++ = (char)(0xd4 + (n > 1) + (n > 2) + (n > 4) + (n > 8));
    else
        to = n <= UINT8_MAX ? write8(to, 0xc7, n) : n <= UINT16_MAX ? write16(to, 0xc8, n) : write32(to, 0xc9, n);
    *to = (char)ext;
    return true;
}

static bool put_shared(struct encoder *e, uint32_t number)
{
    size_t from;
    return begin_ext(e, &from) && put_integer(e, number) && end_ext(e, from, RS_EXT_SHARED);
}

static struct numbered *find_slot(struct numbered *hash, size_t size, const void *table)
{
    size_t i = (size_t)(((uintptr_t)table >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 32);
    for (;; i++) {
        struct numbered *slot = &hash[i & (size - 1)];
        if (!slot->table || slot->table == table)
            return slot;
    }
}

/* At most half of the hash is in use. */
static void grow_hash(struct encoder *e)
{
    size_t size = e->hash ? 2 * e->hash_size : 4 * FEW;
    struct numbered *hash = lua_newuserdatauv(e->L, size * sizeof *hash, 0);
    memset(hash, 0, size * sizeof *hash);
    for (size_t i = 0; !e->hash && i < FEW; i++)
        *find_slot(hash, size, e->few[i]) = (struct numbered){e->few[i], (uint32_t)i};
    for (size_t i = 0; e->hash && i < e->hash_size; i++)
        if (e->hash[i].table)
            *find_slot(hash, size, e->hash[i].table) = e->hash[i];
    e->hash = hash;
    e->hash_size = size;
    lua_replace(e->L, e->slots);
}

/* True for a table that was there before; any other gets the next number. */
static bool is_known(struct encoder *e, const void *table, uint32_t *number)
{
    for (size_t i = 0; !e->hash && i < e->tables; i++) {
        if (e->few[i] == table) {
            *number = (uint32_t)i;
            return true;
        }
    }
    if (!e->hash && e->tables < FEW) {
        e->few[e->tables++] = table;
        return false;
    }
    if (!e->hash || 2 * e->tables >= e->hash_size)
        grow_hash(e);
    struct numbered *slot = find_slot(e->hash, e->hash_size, table);
    if (slot->table) {
        *number = slot->number;
        return true;
    }
    *slot = (struct numbered){table, (uint32_t)e->tables++};
    return false;
}

static bool put_value(struct encoder *e, int index);

/* Room on the stack for what stands on a level, tables and hooks included. */
static struct level *enter(struct encoder *e)
{
    if (e->depth >= RS_VALUE_DEPTH) {
        fail(e, RS_ELIMIT, "more than 200 levels can't be sent");
        return NULL;
    }
    if (!lua_checkstack(e->L, SLOTS)) {
        fail(e, RS_ELIMIT, "Lua's stack is full");
        return NULL;
    }
    struct level *v = &e->level[e->depth++];
    *v = (struct level){0};
    return v;
}

static bool put_array(struct encoder *e, int table, lua_Integer n)
{
    lua_State *L = e->L;
    struct level *v = enter(e);
    if (!v || !room(e, 5))
        return false;
    e->at = write_head(e->at, false, (size_t)n);
    for (lua_Integer i = 1; i <= n; i++) {
        v->position = i;
        lua_rawgeti(L, table, i);
        if (!put_value(e, lua_gettop(L)))
            return false;
        lua_pop(L, 1);
    }
    e->depth--;
    return true;
}

/* The pairs are counted as they are written: most maps have a head of one byte. */
static bool put_map(struct encoder *e, int table)
{
    lua_State *L = e->L;
    struct level *v = enter(e);
    if (!v || !put_byte(e, 0x80))
        return false;
    size_t from = offset(e) - 1, n = 0;
    lua_pushnil(L);
    v->key = lua_gettop(L);
    while (lua_next(L, table)) {
        if (!put_value(e, v->key) || !put_value(e, v->key + 1))
            return false;
        lua_pop(L, 1);
        n++;
    }
    e->depth--;
    if (!widen(e, from, 1, head_length(n)))
        return false;
    write_head(at_offset(e, from), true, n);
    return true;
}

/* The keys are 1 to n, which is the table's length, and nothing else. */
static bool is_sequence(lua_State *L, int table, lua_Integer n)
{
    lua_Integer count = 0;
    lua_pushnil(L);
    while (lua_next(L, table)) {
        lua_pop(L, 1);
        lua_Integer key = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : 0;
        if (key < 1 || key > n) {
            lua_pop(L, 1);
            return false;
        }
        count++;
    }
    return count == n;
}

static bool put_content(struct encoder *e, int table, bool marked)
{
    lua_Integer n = (lua_Integer)lua_rawlen(e->L, table);
    if ((n > 0 || marked) && is_sequence(e->L, table, n))
        return put_array(e, table, n);
    return put_map(e, table);
}

static bool is_marked(lua_State *L)
{
    luaL_getmetatable(L, RS_CODEC_ARRAY);
    bool marked = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return marked;
}

static bool put_exported(struct encoder *e, int index);

static bool put_table(struct encoder *e, int index)
{
    bool marked = lua_getmetatable(e->L, index);
    uint32_t number;
    size_t from;
    if (marked && !is_marked(e->L))
        return put_exported(e, index);
    if (is_known(e, lua_topointer(e->L, index), &number))
        return put_shared(e, number);
    if (!marked)
        return put_content(e, index, false);
    return begin_ext(e, &from) && put_content(e, index, true) && end_ext(e, from, RS_EXT_ARRAY);
}

static bool put_null(struct encoder *e)
{
    size_t from;
    return begin_ext(e, &from) && end_ext(e, from, RS_EXT_NULL);
}

static bool refuse(struct encoder *e, int index)
{
    switch (lua_type(e->L, index)) {
    case LUA_TFUNCTION: return fail(e, RS_EUSAGE, "a function can't be sent");
    case LUA_TTHREAD: return fail(e, RS_EUSAGE, "a coroutine can't be sent");
    case LUA_TTABLE: return fail(e, RS_EUSAGE, "a table with a metatable can't be sent");
    default: return fail(e, RS_EUSAGE, "an object (userdata) can't be sent");
    }
}

/* A table that a hook made may live in its result only. */
static void keep(struct encoder *e, int index)
{
    lua_State *L = e->L;
    if (lua_isnil(L, e->slots + 1)) {
        lua_newtable(L);
        lua_replace(L, e->slots + 1);
    }
    lua_pushvalue(L, index);
    lua_rawseti(L, e->slots + 1, (lua_Integer)lua_rawlen(L, e->slots + 1) + 1);
}

/* What the hook returned, from the first value on. */
static bool put_results(struct encoder *e, int ext, int first)
{
    int last = lua_gettop(e->L);
    size_t from;
    if (!begin_ext(e, &from))
        return false;
    for (int i = first; i <= last; i++) {
        if (lua_istable(e->L, i))
            keep(e, i);
        if (!put_value(e, i))
            return false;
    }
    return end_ext(e, from, ext);
}

static bool put_exported(struct encoder *e, int index)
{
    lua_State *L = e->L;
    int top = lua_gettop(L);
    if (!e->export)
        return refuse(e, index);
    if (!enter(e))
        return false;
    lua_pushvalue(L, e->export);
    lua_pushvalue(L, index);
    lua_call(L, 1, LUA_MULTRET);
    lua_Integer ext = lua_tointeger(L, top + 1);
    if (lua_gettop(L) == top || !rs_ext_is_hooked(ext >= 0 && ext < 128 ? (int)ext : 0))
        return fail(e, RS_EUSAGE, "the export hook gave no extension");
    if (!lua_checkstack(L, SLOTS))
        return fail(e, RS_ELIMIT, "Lua's stack is full");
    if (!put_results(e, (int)ext, top + 2))
        return false;
    lua_settop(L, top);
    e->depth--;
    return true;
}

static bool put_value(struct encoder *e, int index)
{
    lua_State *L = e->L;
    if (++e->values > RS_VALUE_MOST)
        return fail(e, RS_ELIMIT, "more than 16,777,216 values can't be sent");
    switch (lua_type(L, index)) {
    case LUA_TNIL: return put_byte(e, 0xc0);
    case LUA_TBOOLEAN: return put_byte(e, lua_toboolean(L, index) ? 0xc3 : 0xc2);
    case LUA_TNUMBER:
        return lua_isinteger(L, index) ? put_integer(e, lua_tointeger(L, index)) : put_float(e, lua_tonumber(L, index));
    case LUA_TSTRING: return put_string(e, index);
    case LUA_TTABLE: return put_table(e, index);
    case LUA_TLIGHTUSERDATA: return lua_touserdata(L, index) ? put_exported(e, index) : put_null(e);
    default: return put_exported(e, index);
    }
}

/* " .name", " [3]", or " [?]" for what has no short form. */
static int format_key(lua_State *L, int key, char *to, size_t size)
{
    const char *s = lua_type(L, key) == LUA_TSTRING ? lua_tostring(L, key) : NULL;
    if (s && *s && strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == lua_rawlen(L, key))
        return snprintf(to, size, ".%.40s", s);
    if (lua_isinteger(L, key))
        return snprintf(to, size, "[%lld]", (long long)lua_tointeger(L, key));
    return snprintf(to, size, "[?]");
}

/* Of a failure: "what (at value 2 .users[3].name)". The keys are still on the stack. */
static void push_message(struct encoder *e)
{
    char where[160] = "";
    size_t n = 0;
    for (int i = 0; i < e->depth && n < sizeof where; i++) {
        const struct level *v = &e->level[i];
        if (v->position > 0)
            n += (size_t)snprintf(where + n, sizeof where - n, "[%lld]", (long long)v->position);
        else if (v->key > 0)
            n += (size_t)format_key(e->L, v->key, where + n, sizeof where - n);
    }
    lua_settop(e->L, e->slots - 1);
    if (n == 0)
        lua_pushfstring(e->L, "%s (value %d)", e->wrong, e->value);
    else
        lua_pushfstring(e->L, "%s (value %d, at %s)", e->wrong, e->value, where);
}

int rs_codec_encode_aside(lua_State *L, int first, int last, int export, rs_buf *out, rs_codec_aside *list, int *n)
{
    struct encoder e;
    memset(&e, 0, offsetof(struct encoder, few));
    e.L = L;
    e.out = out;
    e.export = export;
    e.asides = list;
    e.nasides = n;
    *n = 0;
    luaL_checkstack(L, SLOTS, "values to send");
    e.slots = lua_gettop(L) + 1;
    lua_pushnil(L);
    lua_pushnil(L);
    bool ok = true;
    for (int i = first; ok && i <= last; i++) {
        e.value = i - first + 1;
        ok = room(&e, 1) && put_value(&e, i);
    }
    if (!ok) {
        push_message(&e);
        return e.err;
    }
    if (e.at)
        rs_buf_commit(out, offset(&e) - rs_buf_len(out));
    lua_settop(L, e.slots - 1);
    return 0;
}

int rs_codec_encode(lua_State *L, int first, int last, int export, rs_buf *out)
{
    int none;
    return rs_codec_encode_aside(L, first, last, export, out, NULL, &none);
}
