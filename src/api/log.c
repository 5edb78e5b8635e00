#include "api/log.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/trip.h"
#include "loop/task.h"

#define MAX_KEPT 10000

/* Messages are kept for a task that takes them: who logs may be a callback, where Lua can't run. */
typedef struct message {
    struct message *next;
    rs_log_level level;
    const char *module, *text; /* behind this */
} message;

typedef struct kept {
    message *first, **last;
    int count;
    lua_Integer lost; /* since the last one that was taken */
    bool on;
    rs_wait *taker;
} kept;

static char kept_key;

static kept *get(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &kept_key);
    kept *k = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return k;
}

static message *message_new(rs_log_level level, const char *module, const char *text)
{
    size_t a = strlen(module) + 1, b = strlen(text) + 1;
    message *m = malloc(sizeof *m + a + b);
    if (!m)
        return NULL;
    char *to = (char *)(m + 1);
    memcpy(to, module, a);
    memcpy(to + a, text, b);
    *m = (message){.level = level, .module = to, .text = to + a};
    return m;
}

static void keep(void *user, rs_log_level level, const char *module, const char *text)
{
    kept *k = user;
    message *m = k->count < MAX_KEPT ? message_new(level, module, text) : NULL;
    if (!m) {
        k->lost++;
        return;
    }
    *k->last = m;
    k->last = &m->next;
    k->count++;
    rs_wait *w = k->taker;
    k->taker = NULL;
    if (w)
        rs_wait_done(w, 0);
}

static void drop_first(kept *k)
{
    message *m = k->first;
    k->first = m->next;
    if (!k->first)
        k->last = &k->first;
    k->count--;
    free(m);
}

/* Back to stderr, with what nobody took. */
static void stop(kept *k)
{
    if (!k->on)
        return;
    k->on = false;
    rs_log_set_sink(NULL, NULL);
    for (; k->first; drop_first(k))
        rs_log_write(k->first->level, k->first->module, "%s", k->first->text);
}

/* keep(on) */
static int l_keep(lua_State *L)
{
    kept *k = get(L);
    bool on = lua_toboolean(L, 1);
    if (!on) {
        stop(k);
    } else if (!k->on) {
        k->on = true;
        rs_log_set_sink(keep, k);
    }
    return 0;
}

static void abandon(rs_wait *w)
{
    kept *k = w->op;
    k->taker = NULL;
}

static int take_on(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    rs_wait *w = (rs_wait *)ctx;
    kept *k = w->op;
    if (!k->first) {
        rs_wait_init(w, abandon, k);
        k->taker = w;
        return rs_task_wait(L, w, ctx, take_on);
    }
    lua_pushstring(L, rs_log_level_name(k->first->level));
    lua_pushstring(L, k->first->module);
    lua_pushstring(L, k->first->text);
    lua_pushinteger(L, k->lost);
    k->lost = 0;
    drop_first(k);
    return 4;
}

/* take(): waits for the next message: level, module, text, and how many were lost before it. For one task only. */
static int l_take(lua_State *L)
{
    kept *k = get(L);
    rs_task_check(L);
    lua_settop(L, 0);
    rs_wait *w = lua_newuserdatauv(L, sizeof *w, 0);
    rs_wait_init(w, abandon, k);
    return take_on(L, LUA_OK, (lua_KContext)w);
}

static rs_log_level check_level(lua_State *L, int i)
{
    const char *name = luaL_checkstring(L, i);
    int level = rs_log_level_from_name(name);
    if (level < 0)
        luaL_error(L, "no log level '%s': error, warning, info, debug or trace expected", name);
    return (rs_log_level)level;
}

/* set_level(name) */
static int l_set_level(lua_State *L)
{
    rs_log_set_level(check_level(L, 1));
    return 0;
}

/* is_on(level): whether messages of this level are shown. */
static int l_is_on(lua_State *L)
{
    lua_pushboolean(L, rs_log_on(check_level(L, 1)));
    return 1;
}

/* write(level, module, text) */
static int l_write(lua_State *L)
{
    rs_log_level level = check_level(L, 1);
    const char *module = luaL_checkstring(L, 2), *text = luaL_checkstring(L, 3);
    if (rs_log_on(level))
        rs_log_write(level, module, "%s", text);
    return 0;
}

/* trip(who, seconds, text): a round trip of its own, for RSHELL_TRACE */
static int l_trip(lua_State *L)
{
    const char *who = luaL_checkstring(L, 1), *text = luaL_checkstring(L, 3);
    rs_trip(who, 1, luaL_checknumber(L, 2), "%s", text);
    return 0;
}

static int kept_gc(lua_State *L)
{
    stop(lua_touserdata(L, 1));
    return 0;
}

static const luaL_Reg functions[] = {
    {"set_level", l_set_level}, {"is_on", l_is_on}, {"write", l_write}, {"keep", l_keep},
    {"take", l_take},           {"trip", l_trip},   {NULL, NULL},
};

int luaopen_rs_log(lua_State *L)
{
    kept *k = lua_newuserdatauv(L, sizeof *k, 0);
    *k = (kept){.last = &k->first};
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, kept_gc);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &kept_key);
    luaL_newlib(L, functions);
    return 1;
}
