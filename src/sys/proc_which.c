/* Where programs are. */
#include <errno.h>
#include <lauxlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loop/task_error.h"
#include "sys/proc_lua.h"

static bool is_program(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* Pushes dir/name, below cwd where dir is relative. */
static const char *push_candidate(lua_State *L, const char *cwd, const char *dir, size_t len, const char *name)
{
    lua_pushlstring(L, dir, len);
    const char *d = lua_tostring(L, -1);
    if (*d == '/')
        lua_pushfstring(L, "%s/%s", d, name);
    else if (*d)
        lua_pushfstring(L, "%s/%s/%s", cwd, d, name);
    else
        lua_pushfstring(L, "%s/%s", cwd, name);
    lua_remove(L, -2);
    return lua_tostring(L, -1);
}

/* Leaves the path of the program on the stack; false and nothing where there is none. */
static bool find(lua_State *L, const char *name, const char *path, const char *cwd)
{
    if (strchr(name, '/')) {
        const char *at = strrchr(name, '/');
        if (is_program(push_candidate(L, cwd, name, (size_t)(at - name), at + 1)))
            return true;
        lua_pop(L, 1);
        return false;
    }
    for (;; path++) {
        size_t dir = strcspn(path, ":");
        if (is_program(push_candidate(L, cwd, path, dir, name)))
            return true;
        lua_pop(L, 1);
        path += dir;
        if (!*path)
            return false;
    }
}

/* which(names, PATH, cwd): the path of the first of the names that is a program; nil, text, "ENOENT". */
int rs_proc_which(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    const char *path = luaL_checkstring(L, 2), *cwd = luaL_checkstring(L, 3);
    lua_Integer n = luaL_len(L, 1);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, 1, i);
        if (find(L, luaL_checkstring(L, -1), path, cwd))
            return 1;
        lua_pop(L, 1);
    }
    return rs_error_edge(L, -ENOENT);
}
