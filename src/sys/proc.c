/* The Lua module proc: processes to start, list and signal. */
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "loop/task.h"
#include "loop/task_error.h"
#include "sys/proc_lua.h"
#include "sys/proc_spec.h"
#include "sys/stream.h"
#include "sys/sys.h"

/* kill(pid, [signal]): a negative pid is a group, as for kill(2). */
static int l_kill(lua_State *L)
{
    lua_Integer pid = luaL_checkinteger(L, 1);
    int sig = lua_isnoneornil(L, 2) ? SIGTERM : rs_proc_check_signal(L, 2);
    luaL_argcheck(L, pid != 0 && pid != -1 && pid == (pid_t)pid, 1, "not the number of a process");
    if (kill((pid_t)pid, sig))
        return rs_error_edge(L, -errno);
    lua_pushboolean(L, 1);
    return 1;
}

static int l_signal(lua_State *L)
{
    lua_pushinteger(L, rs_proc_check_signal(L, 1));
    return 1;
}

static int l_signal_name(lua_State *L)
{
    lua_pushstring(L, rs_proc_signal_name(rs_proc_check_signal(L, 1)));
    return 1;
}

/* cwd(): the working directory of the process. */
static int l_cwd(lua_State *L)
{
    char *dir = getcwd(NULL, 0);
    if (!dir)
        return rs_error_edge(L, -errno);
    lua_pushstring(L, dir); /* leaks it only when memory ends here */
    free(dir);
    return 1;
}

/* pipe(): the stream that reads and the one that writes. */
static int l_pipe(lua_State *L)
{
    int p[2];
    if (pipe2(p, O_CLOEXEC))
        return rs_error_edge(L, -errno);
    rs_stream *in, *out;
    int err = rs_stream_open_fd(rs_task_loop(L), p[0], false, &in);
    if (err) {
        close(p[1]);
        return rs_error_edge(L, err);
    }
    rs_lstream_push(L, in);
    err = rs_stream_open_fd(rs_task_loop(L), p[1], false, &out);
    if (err)
        return rs_error_edge(L, err);
    rs_lstream_push(L, out);
    return 2;
}

static const luaL_Reg functions[] = {
    {"spawn", rs_proc_spawn},
    {"run", rs_proc_run},
    {"which", rs_proc_which},
    {"cwd", l_cwd},
    {"kill", l_kill},
    {"signal", l_signal},
    {"signal_name", l_signal_name},
    {"pipe", l_pipe},
    {NULL, NULL},
};

int luaopen_rs_proc(lua_State *L)
{
    rs_lstream_register(L);
    rs_proc_handle_register(L);
    luaL_newlib(L, functions);
    return 1;
}
