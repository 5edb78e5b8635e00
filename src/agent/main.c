/* The program that runs on targets: from argv to lua/agent/main.lua, and back to an exit status.
 *
 * It shares base, wire, loop, sys and rpc with the host; its Lua modules are in it, as source. Nothing is read from the
 * disk to start it, so it runs from an fd, with an empty environment, in an empty root. */
#include <errno.h>
#include <lauxlib.h>
#include <lualib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "agent/guard.h"
#include "agent/heap.h"
#include "agent/own.h"
#include "base/embedded.h"
#include "base/err.h"
#include "base/fds.h"
#include "loop/proc.h"
#include "loop/task.h"
#include "loop/task_program.h"
#include "rpc/object.h"
#include "rpc/rpc.h"
#include "sys/proc_lua.h"
#include "sys/stream.h"
#include "sys/sys.h"
#include "wire/codec_bulk.h"

static const double END_WAIT = 0.6; /* seconds that left processes have; KILL comes after 0.5 */
enum { FEWEST_FILES = 24 };         /* it has a dozen, and each program three */
static const double UNWIND = 1.0;   /* seconds that tasks have at the end: all is gone 2 s after the link */

/* A searcher for `require`: pushes the embedded module's chunk. */
static int search(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    for (const rs_embedded *m = rs_embedded_modules; m->name; m++) {
        if (strcmp(m->name, name))
            continue;
        if (luaL_loadbufferx(L, (const char *)m->data, m->len, m->chunk, "t"))
            return lua_error(L);
        lua_pushliteral(L, ":embedded:");
        return 2;
    }
    lua_pushfstring(L, "no module '%s' in the agent", name);
    return 1;
}

static const luaL_Reg modules[] = {
    {"rshell.agent.own", luaopen_rs_own},
    {"rshell.object", luaopen_rs_object},
    {"rshell.rpc", luaopen_rs_rpc},
    {NULL, NULL},
};

/* Our searcher takes the place of those for files, in Lua and in C: the target's own modules are none of ours. */
static void open_modules(lua_State *L)
{
    luaL_openlibs(L);
    rs_sys_preload(L);
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "preload");
    luaL_setfuncs(L, modules, 0);
    lua_getfield(L, -2, "searchers");
    lua_pushcfunction(L, search);
    lua_seti(L, -2, 2);
    for (lua_Integer i = luaL_len(L, -1); i > 2; i--) {
        lua_pushnil(L);
        lua_seti(L, -2, i);
    }
    lua_pop(L, 3);
}

static int run(lua_State *L, int argc, char **argv)
{
    if (rs_task_program(L, "agent.main", argc, argv) != LUA_OK) {
        fprintf(stderr, "rshell-agent: %s\n", luaL_tolstring(L, -2, NULL));
        return 1;
    }
    return (int)lua_tointeger(L, -1);
}

static int panic(lua_State *L)
{
    const char *what = lua_tostring(L, -1);
    fprintf(stderr, "rshell-agent: %s\n", what ? what : "an error without a text");
    return 0;
}

static int open_all(rs_loop **loop, lua_State **L)
{
    int err = rs_loop_new(loop);
    if (err)
        return err;
    *L = lua_newstate(rs_heap_alloc, NULL);
    if (!*L)
        return -ENOMEM;
    rs_bulk_allow(0); /* it is to be small before all else, and has little to look through */
    lua_atpanic(*L, panic);
    open_modules(*L);
    rs_task_init(*L, *loop);
    return 0;
}

static void on_nudge(int sig)
{
    (void)sig;
    rs_task_nudge();
}

/* Our parent tells us so that there is something on our link that a busy program should not be waited for. */
static void listen_to_nudges(void)
{
    struct sigaction act = {.sa_handler = on_nudge, .sa_flags = SA_RESTART};
    sigemptyset(&act.sa_mask);
    sigaction(SIGURG, &act, NULL);
}

/* With fewer descriptors it would answer and then fail at nearly everything: a shell does better. */
static bool has_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= FEWEST_FILES)
        return true;
    fprintf(stderr, "rshell-agent: it may open %d files, and needs %d (ulimit -n)\n", (int)limit.rlim_cur,
            FEWEST_FILES);
    return false;
}

/* It is gone when its link is, and what it has started with it. */
static void begin_service(int argc, char **argv)
{
    rs_own_init(argc, argv);
    rs_guard_start();
    listen_to_nudges();
}

int main(int argc, char **argv)
{
    rs_loop *loop = NULL;
    lua_State *L = NULL;
    rs_fds_claim();
    rs_fds_raise();
    bool context = argc > 1 && !strcmp(argv[1], "rpc");
    if (context || (argc > 1 && !strcmp(argv[1], "serve"))) {
        if (!has_descriptors())
            return 1;
        begin_service(argc, argv);
    }
    if (context) /* it ends with its link, and takes its guard with it; who is stuck is killed */
        signal(SIGTERM, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    int err = open_all(&loop, &L);
    if (err) {
        fprintf(stderr, "rshell-agent: can't start: %s\n", rs_err_text(err));
        return 1;
    }
    rs_guard_watch(loop);
    int status = run(L, argc, argv);
    rs_task_shutdown(L, UNWIND);
    lua_close(L);
    rs_proc_end_all(loop, END_WAIT);
    rs_lstream_fini();
    rs_guard_end();
    rs_pgroups_forget();
    if (!rs_loop_free(loop)) /* a worker is stuck in a system call; libuv's destructor would wait for it */
        _Exit(status);
    return status;
}
