#include <lauxlib.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "loop/task_error.h"
#include "sys/fs_opts.h"
#include "sys/json.h"

#define ENCODER "rshell.json.encoder"

enum { KEEP = 64 * 1024, MOST_INDENT = 16 };

/* Where the writer is, for messages: a position in an array, or a name in an object. The name's bytes are the key's on the
 * Lua stack. */
struct level {
    lua_Integer position;
    const char *name;
};

/* One for a Lua state, as an upvalue: writing runs no Lua code and never yields, so no two writers meet. */
struct encoder {
    rs_buf out;
    lua_State *L;
    int depth;
    bool sort, replace;
    size_t indent; /* bytes of blanks; 0: all on one line */
    char blanks[MOST_INDENT];
    struct level level[RS_JSON_DEPTH];
};

static int encoder_gc(lua_State *L)
{
    struct encoder *e = luaL_checkudata(L, 1, ENCODER);
    rs_buf_fini(&e->out);
    return 0;
}

void rs_json_encoder_push(lua_State *L)
{
    struct encoder *e = lua_newuserdatauv(L, sizeof *e, 0);
    memset(e, 0, sizeof *e);
    rs_buf_init(&e->out, 0);
    if (luaL_newmetatable(L, ENCODER)) {
        lua_pushcfunction(L, encoder_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
}

/* Raises: "json: what (at .users[3].name)". */
static int fail(struct encoder *e, const char *what)
{
    lua_State *L = e->L;
    char where[200] = "";
    size_t n = 0;
    for (int i = 0; i < e->depth && n < sizeof where; i++) {
        const struct level *v = &e->level[i];
        if (v->name)
            n += (size_t)snprintf(where + n, sizeof where - n, ".%s", v->name);
        else if (v->position > 0)
            n += (size_t)snprintf(where + n, sizeof where - n, "[%lld]", (long long)v->position);
    }
    if (n > 0)
        rs_error_push(L, "usage", "json: %s (at %s)", what, where);
    else
        rs_error_push(L, "usage", "json: %s", what);
    return lua_error(L);
}

static char *room(struct encoder *e, size_t n)
{
    char *to;
    if (rs_buf_reserve(&e->out, n, &to) != 0)
        luaL_error(e->L, "not enough memory");
    return to;
}

static void add(struct encoder *e, const char *s, size_t n)
{
    memcpy(room(e, n), s, n);
    rs_buf_commit(&e->out, n);
}

static void add_char(struct encoder *e, char c)
{
    *room(e, 1) = c;
    rs_buf_commit(&e->out, 1);
}

static void new_line(struct encoder *e)
{
    if (e->indent == 0)
        return;
    add_char(e, '\n');
    for (int i = 0; i < e->depth; i++)
        add(e, e->blanks, e->indent);
}

static void write_integer(struct encoder *e, lua_Integer x)
{
    char digits[24], *s = digits + sizeof digits;
    lua_Unsigned u = x < 0 ? 0u - (lua_Unsigned)x : (lua_Unsigned)x;
    do
        *--s = (char)('0' + u % 10);
    while ((u /= 10) > 0);
    if (x < 0)
        *--s = '-';
    add(e, s, (size_t)(digits + sizeof digits - s));
}

/* The shortest of three forms that reads back as the same number. It always looks like a float, and has a point whatever
 * the locale says. */
static int format_float(lua_Number x, char *out, size_t n)
{
    int len = 0;
    for (int digits = 15; digits <= 17; digits++) {
        len = snprintf(out, n, "%.*g", digits, x);
        if (strtod(out, NULL) == x)
            break;
    }
    bool whole = true;
    for (int i = 0; i < len; i++) {
        if (out[i] != '-' && out[i] != '+' && out[i] != 'e' && (out[i] < '0' || out[i] > '9'))
            out[i] = '.';
        whole = whole && out[i] != '.' && out[i] != 'e';
    }
    return whole ? len + snprintf(out + len, n - (size_t)len, ".0") : len;
}

static void write_float(struct encoder *e, lua_Number x)
{
    char text[48] = "";
    if (!isfinite(x))
        fail(e, isnan(x) ? "NaN has no form in JSON" : "infinity has no form in JSON");
    add(e, text, (size_t)format_float(x, text, sizeof text));
}

/* Bytes that stand for themselves in a string. */
static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

static void write_escape(struct encoder *e, unsigned char c)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    const char *found = c ? strchr(from, c) : NULL;
    char text[8];
    if (found)
        snprintf(text, sizeof text, "\\%c", to[found - from]);
    else
        snprintf(text, sizeof text, "\\u%04x", c);
    add(e, text, strlen(text));
}

/* Writes what stands at s where it isn't plain; says how many bytes that was. */
static size_t write_other(struct encoder *e, const char *s, size_t n)
{
    uint32_t c;
    size_t took = rs_utf8_next(s, n, &c);
    if (took > 1) {
        add(e, s, took);
        return took;
    }
    if (took == 1)
        write_escape(e, (unsigned char)*s);
    else if (e->replace)
        add(e, "\xef\xbf\xbd", 3);
    else
        fail(e, "a string is not UTF-8");
    return 1;
}

static void write_string(struct encoder *e, const char *s, size_t n)
{
    add_char(e, '"');
    while (n > 0) {
        size_t plain = 0;
        while (plain < n && is_plain((unsigned char)s[plain]))
            plain++;
        add(e, s, plain);
        s += plain;
        n -= plain;
        if (n > 0) {
            size_t took = write_other(e, s, n);
            s += took;
            n -= took;
        }
    }
    add_char(e, '"');
}

static void write_value(struct encoder *e, int index);

static struct level *enter(struct encoder *e, char open)
{
    if (e->depth >= RS_JSON_DEPTH) {
        e->depth = 0; /* the way there says nothing */
        fail(e, "more than 200 levels, or a table inside itself");
    }
    luaL_checkstack(e->L, 10, "json");
    add_char(e, open);
    struct level *v = &e->level[e->depth++];
    *v = (struct level){0};
    return v;
}

static void leave(struct encoder *e, char close, bool empty)
{
    e->depth--;
    if (!empty)
        new_line(e);
    add_char(e, close);
}

static void write_element(struct encoder *e, struct level *v)
{
    if (++v->position > 1)
        add_char(e, ',');
    new_line(e);
    write_value(e, lua_gettop(e->L));
}

/* Most arrays are met in order by lua_next, at least up to some element. False where it isn't the last one. */
static bool write_in_order(struct encoder *e, int table, struct level *v)
{
    lua_State *L = e->L;
    lua_pushnil(L);
    while (lua_next(L, table)) {
        if (!lua_isinteger(L, -2) || lua_tointeger(L, -2) != v->position + 1) {
            lua_pop(L, 2);
            return false;
        }
        write_element(e, v);
        lua_pop(L, 1);
    }
    return true;
}

/* Every key must be one of 1 to the length. */
static void check_sequence(struct encoder *e, int table)
{
    lua_State *L = e->L;
    lua_Integer n = (lua_Integer)lua_rawlen(L, table), count = 0;
    lua_pushnil(L);
    while (lua_next(L, table)) {
        lua_pop(L, 1);
        count++;
        if (!lua_isinteger(L, -1) || lua_tointeger(L, -1) < 1 || lua_tointeger(L, -1) > n)
            fail(e, lua_isinteger(L, -1) ? "an array with holes" : "a table with both names and positions");
    }
    if (count != n)
        fail(e, "an array with holes");
}

static void write_array(struct encoder *e, int table)
{
    struct level *v = enter(e, '[');
    if (!write_in_order(e, table, v)) {
        lua_Integer n = (lua_Integer)lua_rawlen(e->L, table);
        check_sequence(e, table);
        while (v->position < n) {
            lua_rawgeti(e->L, table, v->position + 1);
            write_element(e, v);
            lua_pop(e->L, 1);
        }
    }
    leave(e, ']', v->position == 0);
}

/* Numbers are written as names; a copy is converted, since lua_next needs the key as it is. Leaves the name on the stack. */
static const char *push_name(struct encoder *e, int key, size_t *n)
{
    lua_State *L = e->L;
    char text[48];
    if (lua_type(L, key) == LUA_TSTRING || lua_isinteger(L, key)) {
        lua_pushvalue(L, key);
    } else if (lua_type(L, key) == LUA_TNUMBER) {
        lua_pushlstring(L, text, (size_t)format_float(lua_tonumber(L, key), text, sizeof text));
    } else {
        snprintf(text, sizeof text, "a key is a %s", luaL_typename(L, key));
        fail(e, text);
    }
    return lua_tolstring(L, -1, n);
}

/* The name is on the stack, the value on top of it. */
static void write_pair(struct encoder *e, struct level *v, int name, bool first)
{
    size_t n;
    v->name = lua_tolstring(e->L, name, &n);
    if (!first)
        add_char(e, ',');
    new_line(e);
    write_string(e, v->name, n);
    add(e, ": ", e->indent > 0 ? 2 : 1);
    write_value(e, lua_gettop(e->L));
}

static void write_object(struct encoder *e, int table)
{
    lua_State *L = e->L;
    struct level *v = enter(e, '{');
    bool first = true;
    lua_pushnil(L);
    while (lua_next(L, table)) {
        size_t n;
        push_name(e, lua_absindex(L, -2), &n);
        lua_insert(L, -2);
        write_pair(e, v, lua_absindex(L, -2), first);
        lua_pop(L, 2);
        first = false;
    }
    leave(e, '}', first);
}

struct named {
    const char *name;
    size_t n;
    lua_Integer at; /* in the table of names and values */
};

static int by_name(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    int order = memcmp(x->name, y->name, x->n < y->n ? x->n : y->n);
    return order != 0 ? order : x->n < y->n ? -1 : x->n > y->n;
}

static size_t count_keys(lua_State *L, int table)
{
    size_t n = 0;
    for (lua_pushnil(L); lua_next(L, table); n++)
        lua_pop(L, 1);
    return n;
}

/* Stack: a list of names and values in turns, which keeps the names alive; then the userdata that is returned. */
static struct named *push_sorted(struct encoder *e, int table, size_t count)
{
    lua_State *L = e->L;
    lua_createtable(L, (int)(2 * count), 0);
    struct named *all = lua_newuserdatauv(L, count * sizeof *all, 0), *next = all;
    int list = lua_absindex(L, -2);
    lua_pushnil(L);
    while (lua_next(L, table)) {
        next->at = 2 * (next - all) + 1;
        lua_rawseti(L, list, next->at + 1);
        next->name = push_name(e, lua_absindex(L, -1), &next->n);
        lua_rawseti(L, list, next->at);
        next++;
    }
    qsort(all, count, sizeof *all, by_name);
    return all;
}

static void write_sorted_object(struct encoder *e, int table)
{
    lua_State *L = e->L;
    size_t count = count_keys(L, table);
    if (count < 2) {
        write_object(e, table);
        return;
    }
    struct level *v = enter(e, '{');
    const struct named *all = push_sorted(e, table, count);
    int list = lua_absindex(L, -2);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, list, all[i].at);
        lua_rawgeti(L, list, all[i].at + 1);
        write_pair(e, v, lua_absindex(L, -2), i == 0);
        lua_pop(L, 2);
    }
    lua_pop(L, 2);
    leave(e, '}', false);
}

static bool is_marked(lua_State *L, int table)
{
    if (!lua_getmetatable(L, table))
        return false;
    bool marked = lua_rawequal(L, -1, lua_upvalueindex(1));
    lua_pop(L, 1);
    return marked;
}

static void write_table(struct encoder *e, int index)
{
    if (is_marked(e->L, index) || lua_rawlen(e->L, index) > 0)
        write_array(e, index);
    else if (e->sort)
        write_sorted_object(e, index);
    else
        write_object(e, index);
}

static void refuse(struct encoder *e, int index)
{
    char what[64];
    snprintf(what, sizeof what, "a %s has no form in JSON", luaL_typename(e->L, index));
    fail(e, what);
}

static void write_value(struct encoder *e, int index)
{
    lua_State *L = e->L;
    size_t n;
    const char *s;
    switch (lua_type(L, index)) {
    case LUA_TNIL: add(e, "null", 4); break;
    case LUA_TBOOLEAN: lua_toboolean(L, index) ? add(e, "true", 4) : add(e, "false", 5); break;
    case LUA_TSTRING:
        s = lua_tolstring(L, index, &n);
        write_string(e, s, n);
        break;
    case LUA_TNUMBER:
        if (lua_isinteger(L, index))
            write_integer(e, lua_tointeger(L, index));
        else
            write_float(e, lua_tonumber(L, index));
        break;
    case LUA_TTABLE: write_table(e, index); break;
    case LUA_TLIGHTUSERDATA:
        if (!lua_touserdata(L, index)) {
            add(e, "null", 4);
            break;
        }
        refuse(e, index);
        break;
    default: refuse(e, index);
    }
}

static void read_indent(struct encoder *e)
{
    lua_State *L = e->L;
    size_t n = 0;
    const char *s = NULL;
    switch (lua_getfield(L, 2, "indent")) {
    case LUA_TNIL: break;
    case LUA_TBOOLEAN: n = lua_toboolean(L, -1) ? 2 : 0; break;
    case LUA_TNUMBER: n = (size_t)lua_tointeger(L, -1); break;
    case LUA_TSTRING: s = lua_tolstring(L, -1, &n); break;
    default: n = MOST_INDENT + 1;
    }
    if (n > MOST_INDENT || (s && strspn(s, " \t") != n))
        fail(e, "indent is a number up to 16, or so many blanks");
    if (s)
        memcpy(e->blanks, s, n);
    else
        memset(e->blanks, ' ', n);
    e->indent = n;
    lua_pop(L, 1);
}

static void read_options(struct encoder *e)
{
    static const char *const known[] = {"indent", "sort", "invalid", NULL};
    lua_State *L = e->L;
    e->sort = e->replace = false;
    e->indent = 0;
    if (lua_isnil(L, 2))
        return;
    rs_fs_opts_check(L, 2, known);
    read_indent(e);
    lua_getfield(L, 2, "sort");
    e->sort = lua_toboolean(L, -1);
    lua_pop(L, 1);
    e->replace = rs_json_invalid_option(L, 2);
}

int rs_json_encode(lua_State *L)
{
    struct encoder *e = lua_touserdata(L, lua_upvalueindex(2));
    luaL_checkany(L, 1);
    lua_settop(L, 2);
    e->L = L;
    e->depth = 0;
    rs_buf_clear(&e->out);
    read_options(e);
    write_value(e, 1);
    lua_pushlstring(L, rs_buf_data(&e->out), rs_buf_len(&e->out));
    if (e->out.cap > KEEP)
        rs_buf_fini(&e->out);
    return 1;
}
