#include "api/stdio.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "api/status.h"
#include "loop/task.h"
#include "loop/task_error.h"
#include "sys/stream.h"

/* Why the first write to standard output that failed did, negative; or 0. */
static int failure;

/* What `file:write` writes to: 1, 2, or 0 for another file. */
static int standard_file(lua_State *L)
{
    const luaL_Stream *file = luaL_testudata(L, 1, LUA_FILEHANDLE);
    return !file ? 0 : file->f == stdout ? STDOUT_FILENO : file->f == stderr ? STDERR_FILENO : 0;
}

/* Whether the last of the arguments ends a line. */
static bool ends_line(lua_State *L)
{
    size_t n = 0;
    const char *s = lua_gettop(L) > 0 && lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &n) : NULL;
    return n > 0 && s[n - 1] == '\n';
}

/* Notes why standard output can't be written to, from the errno of who has just tried. */
static void note_failure(int err)
{
    if (!ferror(stdout) || failure)
        return;
    failure = -err;
    if (err == EPIPE)
        rs_task_interrupt();
}

/* Calls the function in the upvalue as itself. The second one is its way to write: what it writes to, or 0 where its first
 * argument says that; the third is true for what always ends its line. */
static int watched(lua_State *L)
{
    int fd = (int)lua_tointeger(L, lua_upvalueindex(2));
    fd = fd ? fd : standard_file(L);
    bool ended = lua_toboolean(L, lua_upvalueindex(3)) || ends_line(L);
    if (fd)
        rs_status_clear();
    int n = lua_tocfunction(L, lua_upvalueindex(1))(L);
    int err = errno;
    if (fd)
        rs_status_wrote(fd, ended);
    note_failure(err);
    return n;
}

/* The same for what writes what was kept back. */
static int flushed(lua_State *L)
{
    int n = lua_tocfunction(L, lua_upvalueindex(1))(L);
    note_failure(errno);
    return n;
}

/* Wraps the function in field name of the table on top. */
static void watch(lua_State *L, const char *name, int fd, bool ends)
{
    lua_getfield(L, -1, name);
    lua_pushinteger(L, fd);
    lua_pushboolean(L, ends);
    lua_pushcclosure(L, watched, 3);
    lua_setfield(L, -2, name);
}

static void watch_flush(lua_State *L)
{
    lua_getfield(L, -1, "flush");
    lua_pushcclosure(L, flushed, 1);
    lua_setfield(L, -2, "flush");
}

void rs_stdio_watch(lua_State *L)
{
    lua_pushglobaltable(L);
    watch(L, "print", STDOUT_FILENO, true);
    lua_getfield(L, -1, LUA_IOLIBNAME);
    watch(L, "write", STDOUT_FILENO, false);
    watch_flush(L);
    luaL_getmetatable(L, LUA_FILEHANDLE);
    lua_getfield(L, -1, "__index");
    watch(L, "write", 0, false);
    watch_flush(L);
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
