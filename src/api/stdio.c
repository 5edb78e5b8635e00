#include "api/stdio.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>

#include "loop/task.h"
#include "loop/task_error.h"
#include "sys/stream.h"

/* Why the first write to standard output that failed did, negative; or 0. */
static int failure;

/* Calls the function in the upvalue as itself. */
static int watched(lua_State *L)
{
    int n = lua_tocfunction(L, lua_upvalueindex(1))(L);
    int err = errno;
    if (ferror(stdout) && !failure) {
        failure = -err;
        if (err == EPIPE)
            rs_task_interrupt();
    }
    return n;
}

/* Wraps the function in field name of the table on top. */
static void watch(lua_State *L, const char *name)
{
    lua_getfield(L, -1, name);
    lua_pushcclosure(L, watched, 1);
    lua_setfield(L, -2, name);
}

void rs_stdio_watch(lua_State *L)
{
    lua_pushglobaltable(L);
    watch(L, "print");
    lua_getfield(L, -1, LUA_IOLIBNAME);
    watch(L, "write");
    luaL_getmetatable(L, LUA_FILEHANDLE);
    lua_getfield(L, -1, "__index");
    watch(L, "write");
    lua_pop(L, 4);
}

int rs_stdio_flush(void)
{
    if ((fflush(stdout) != 0 || ferror(stdout)) && !failure)
        failure = -errno;
    return failure;
}

static int l_input(lua_State *L)
{
    int fd = fcntl(0, F_DUPFD_CLOEXEC, 3);
    if (fd < 0)
        return rs_error_raise(L, -errno, "can't read standard input");
    rs_lstream_register(L);
    rs_lstream_push_fd(L, fd, true);
    return 1;
}

static const luaL_Reg functions[] = {{"input", l_input}, {NULL, NULL}};

int luaopen_rs_stdio(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
