#include "sys/fs_opts.h"

#include <lauxlib.h>
#include <limits.h>
#include <math.h>
#include <string.h>

enum { WORD_MAX = 32 };

const char *rs_fs_arg_path(lua_State *L, int arg)
{
    size_t n;
    const char *s = luaL_checklstring(L, arg, &n);
    return memchr(s, 0, n) ? NULL : s;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* How many letters have to be changed, put in or taken out to make one word of the other. */
static size_t distance(const char *a, const char *b)
{
    size_t row[WORD_MAX + 1], n = strlen(a), m = strlen(b);
    if (n > WORD_MAX || m > WORD_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t changed = corner + (a[i - 1] != b[j - 1]);
            corner = row[j];
            row[j] = least(changed, least(row[j], row[j - 1]) + 1);
        }
    }
    return row[m];
}

static const char *nearest(const char *word, const char *const names[])
{
    const char *best = names[0];
    for (size_t i = 0; names[i]; i++)
        if (distance(word, names[i]) < distance(word, best))
            best = names[i];
    return best;
}

static void check_key(lua_State *L, int arg, const char *const names[])
{
    if (lua_type(L, -2) != LUA_TSTRING)
        luaL_argerror(L, arg, "options are named");
    const char *key = lua_tostring(L, -2);
    for (size_t i = 0; names[i]; i++)
        if (strcmp(names[i], key) == 0)
            return;
    const char *near = nearest(key, names);
    if (near)
        lua_pushfstring(L, "unknown option '%s', the nearest is '%s'", key, near);
    else
        lua_pushfstring(L, "unknown option '%s', there are none", key);
    luaL_argerror(L, arg, lua_tostring(L, -1));
}

void rs_fs_opts_check(lua_State *L, int arg, const char *const names[])
{
    if (lua_isnoneornil(L, arg)) {
        lua_settop(L, arg);
        return;
    }
    luaL_checktype(L, arg, LUA_TTABLE);
    for (lua_pushnil(L); lua_next(L, arg); lua_pop(L, 1))
        check_key(L, arg, names);
}

/* Pushes the option; false (and nothing is pushed) when it isn't given. */
static bool get(lua_State *L, int arg, const char *name)
{
    if (!lua_istable(L, arg))
        return false;
    if (lua_getfield(L, arg, name) != LUA_TNIL)
        return true;
    lua_pop(L, 1);
    return false;
}

static int bad(lua_State *L, int arg, const char *name, const char *what)
{
    lua_pushfstring(L, "option '%s' must be %s, not %s", name, what, luaL_typename(L, -1));
    return luaL_argerror(L, arg, lua_tostring(L, -1));
}

bool rs_fs_opt_flag(lua_State *L, int arg, const char *name, bool without)
{
    if (!get(L, arg, name))
        return without;
    if (!lua_isboolean(L, -1))
        bad(L, arg, name, "true or false");
    bool flag = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return flag;
}

lua_Integer rs_fs_opt_integer(lua_State *L, int arg, const char *name, lua_Integer min, lua_Integer without)
{
    int ok;
    if (!get(L, arg, name))
        return without;
    lua_Integer n = lua_tointegerx(L, -1, &ok);
    if (!ok || lua_type(L, -1) != LUA_TNUMBER || n < min) {
        lua_pushfstring(L, "option '%s' must be a whole number, at least %d", name, (int)min);
        luaL_argerror(L, arg, lua_tostring(L, -1));
    }
    lua_pop(L, 1);
    return n;
}

const char *rs_fs_opt_string(lua_State *L, int arg, const char *name)
{
    size_t n;
    luaL_checkstack(L, 4, "options");
    if (!get(L, arg, name))
        return NULL;
    if (lua_type(L, -1) != LUA_TSTRING)
        bad(L, arg, name, "a string");
    const char *s = lua_tolstring(L, -1, &n);
    if (memchr(s, 0, n))
        bad(L, arg, name, "without NUL");
    return s;
}

bool rs_fs_opt_time(lua_State *L, int arg, const char *name, struct timespec *out)
{
    if (!get(L, arg, name))
        return false;
    if (lua_type(L, -1) != LUA_TNUMBER)
        bad(L, arg, name, "a number of seconds");
    double s = lua_tonumber(L, -1), whole = floor(s);
    if (!(fabs(s) < 1e12))
        bad(L, arg, name, "a time");
    lua_pop(L, 1);
    out->tv_sec = (time_t)whole;
    out->tv_nsec = lround((s - whole) * 1e9);
    if (out->tv_nsec >= 1000000000) {
        out->tv_sec++;
        out->tv_nsec -= 1000000000;
    }
    return true;
}

/* The mode on top of the stack; returns what is wrong with it. */
static const char *read_mode(lua_State *L, int umask, rs_mode *out)
{
    if (lua_type(L, -1) == LUA_TNUMBER) {
        int ok;
        lua_Integer bits = lua_tointegerx(L, -1, &ok);
        if (!ok || bits < 0 || bits > 07777)
            return "mode bits must be between 0 and 4095 (octal 7777)";
        rs_mode_bits(out, (unsigned)bits);
        return NULL;
    }
    size_t n;
    const char *s = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &n) : NULL;
    if (!s)
        return lua_pushfstring(L, "a mode is a number or a string, not %s", luaL_typename(L, -1));
    if (rs_mode_parse(out, s, n, umask))
        return lua_pushfstring(L, "'%s' is no mode: octal digits, or clauses like u+rwX,g-w", s);
    return NULL;
}

void rs_fs_arg_mode(lua_State *L, int arg, int umask, rs_mode *out)
{
    lua_pushvalue(L, arg);
    const char *wrong = read_mode(L, umask, out);
    if (wrong)
        luaL_argerror(L, arg, wrong);
    lua_pop(L, 1);
}

bool rs_fs_opt_mode(lua_State *L, int arg, rs_mode *out)
{
    if (!get(L, arg, "mode"))
        return false;
    /* A clause without a class means everybody: the mode of something new is what is written. */
    const char *wrong = read_mode(L, -1, out);
    if (wrong)
        luaL_argerror(L, arg, wrong);
    lua_pop(L, 1);
    return true;
}

int rs_fs_opt_umask(lua_State *L, int arg)
{
    lua_Integer umask = rs_fs_opt_integer(L, arg, "umask", 0, -1);
    luaL_argcheck(L, umask <= 0777, arg, "option 'umask' must be at most 511 (octal 777)");
    return (int)umask;
}
