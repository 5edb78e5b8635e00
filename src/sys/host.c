#include <errno.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "loop/task_error.h"
#include "sys/host_lua.h"
#include "sys/sys.h"

static int host_hostname(lua_State *L)
{
    char name[256];
    if (gethostname(name, sizeof name) != 0)
        return rs_error_edge(L, -errno);
    name[sizeof name - 1] = '\0';
    lua_pushstring(L, name);
    return 1;
}

static int host_pid(lua_State *L)
{
    lua_pushinteger(L, getpid());
    return 1;
}

/* Of two settings of one name the first counts, as for getenv. What has no '=' is no setting. */
static int host_env(lua_State *L)
{
    lua_newtable(L);
    for (char **e = environ; e && *e; e++) {
        const char *equal = strchr(*e, '=');
        if (!equal || equal == *e)
            continue;
        lua_pushlstring(L, *e, (size_t)(equal - *e));
        lua_pushvalue(L, -1);
        if (lua_rawget(L, -3) != LUA_TNIL) {
            lua_pop(L, 2);
            continue;
        }
        lua_pop(L, 1);
        lua_pushstring(L, equal + 1);
        lua_rawset(L, -3);
    }
    return 1;
}

/* What costs no more than reading a few small files. A fact that can't be told is left out. */
static const luaL_Reg facts[] = {
    {"uname", rs_host_uname},    {"os", rs_host_os_release},
    {"hostname", host_hostname}, {"cpus", rs_host_cpus},
    {"memory", rs_host_memory},  {"loadavg", rs_host_loadavg},
    {"uptime", rs_host_uptime},  {"interfaces", rs_host_interfaces},
    {"pid", host_pid},           {NULL, NULL},
};

static int host_facts(lua_State *L)
{
    lua_settop(L, 0);
    lua_createtable(L, 0, 12);
    for (const luaL_Reg *f = facts; f->name; f++) {
        lua_pushcfunction(L, f->func);
        lua_call(L, 0, 1);
        lua_setfield(L, 1, f->name);
    }
    lua_pushinteger(L, geteuid());
    lua_setfield(L, 1, "uid");
    lua_pushinteger(L, getegid());
    lua_setfield(L, 1, "gid");
    return 1;
}

static const luaL_Reg functions[] = {
    {"cpus", rs_host_cpus},
    {"env", host_env},
    {"facts", host_facts},
    {"group", rs_host_group},
    {"groups", rs_host_groups},
    {"home", rs_host_home},
    {"hostname", host_hostname},
    {"interfaces", rs_host_interfaces},
    {"loadavg", rs_host_loadavg},
    {"memory", rs_host_memory},
    {"mounts", rs_host_mounts},
    {"os_release", rs_host_os_release},
    {"pid", host_pid},
    {"processes", rs_host_processes},
    {"uname", rs_host_uname},
    {"uptime", rs_host_uptime},
    {"user", rs_host_user},
    {"user_groups", rs_host_user_groups},
    {"users", rs_host_users},
    {NULL, NULL},
};

int luaopen_rs_host(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
