/* From argv to the command line in Lua, and back to an exit status. */
#include <errno.h>
#include <lauxlib.h>
#include <lualib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/agents.h"
#include "api/editor.h"
#include "api/loader.h"
#include "api/log.h"
#include "api/ssh.h"
#include "api/status.h"
#include "api/stdio.h"
#include "api/term.h"
#include "api/tree.h"
#include "api/width.h"
#include "base/err.h"
#include "base/fds.h"
#include "loop/proc.h"
#include "loop/signal.h"
#include "loop/task.h"
#include "loop/task_program.h"
#include "rpc/object.h"
#include "rpc/rpc.h"
#include "rpc/wire.h"
#include "sys/proc_lua.h"
#include "sys/stream.h"
#include "sys/sys.h"
#include "term/editor.h"

#define RS_LOG_MODULE "main"
#include "base/log.h"

static const double UNWIND = 6.0;   /* seconds that tasks have at the end; their closers get 5 */
static const double END_WAIT = 1.0; /* seconds that left processes have; KILL comes after 0.5 */

static lua_State *state; /* NULL once it is closed, or about to be */

static void on_signal(int sig, void *user)
{
    (void)sig, (void)user;
    if (state)
        rs_task_cancel_main(state, "interrupted");
}

static int open_exit(lua_State *L);

static const luaL_Reg modules[] = {
    {"rshell.agents", luaopen_rs_agents},
    {"rshell.exit", open_exit},
    {"rshell.log.base", luaopen_rs_log},
    {"rshell.object", luaopen_rs_object},
    {"rshell.rpc", luaopen_rs_rpc},
    {"rshell.ssh.raw", luaopen_rs_ssh},
    {"rshell.stdio", luaopen_rs_stdio},
    {"rshell.term", luaopen_rs_term},
    {"rshell.wire", luaopen_rs_wire},
    {"rshell.editor", luaopen_rs_editor},
    {"rshell.output.line", luaopen_rs_status},
    {"rshell.width", luaopen_rs_width},
    {"rshell.tree", luaopen_rs_tree_nodes},
    {NULL, NULL},
};

static void open_modules(lua_State *L)
{
    luaL_openlibs(L);
    rs_stdio_watch(L);
    rs_loader_install(L);
    rs_sys_preload(L);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    luaL_setfuncs(L, modules, 0);
    lua_pop(L, 1);
}

static int run(lua_State *L, int argc, char **argv)
{
    if (rs_task_program(L, "rshell.cli", argc, argv) !=
        LUA_OK) { /* the command line reports its errors itself; this is one of its own */
        if (!rs_signal_seen())
            fprintf(stderr, "rshell: internal error: %s\n", luaL_tolstring(L, -2, NULL));
        return 1;
    }
    return (int)lua_tointeger(L, -1);
}

/* What went wrong with standard output is told, but not that its reader has gone: that ends us as a signal would. */
static int end_output(int *status)
{
    int err = rs_stdio_flush();
    if (err == -EPIPE)
        return SIGPIPE;
    if (err) {
        fprintf(stderr, "rshell: can't write to standard output: %s\n", rs_err_text(err));
        *status = *status ? *status : 1;
    }
    return 0;
}

/* The one way out, also for os.exit in the midst of a task. */
__attribute__((noreturn)) static void end(lua_State *L, int status)
{
    rs_loop *loop = rs_task_loop(L);
    rs_task_shutdown(L, UNWIND);
    rs_editor_close();
    rs_term_restore();
    rs_status_clear();
    state = NULL;
    lua_close(L);
    rs_proc_end_all(loop, END_WAIT); /* commands that were left running end with us */
    rs_lstream_fini();
    rs_pgroups_forget();
    int sig = rs_signal_seen();
    rs_signal_fini();
    bool clean = rs_loop_free(loop);
    int gone = end_output(&status);
    if (sig || gone)
        rs_signal_die(sig ? sig : gone);
    if (!clean) /* a worker is stuck in a system call; libuv's destructor would wait for it */
        _exit(status);
    exit(status);
}

/* exit(status): never returns. Raises in what runs while the program ends. */
static int l_exit(lua_State *L)
{
    static bool ending;
    int status = (int)(luaL_checkinteger(L, 1) & 0xff);
    if (ending)
        return luaL_error(L, "the program is ending");
    ending = true;
    end(L, status);
}

static int open_exit(lua_State *L)
{
    lua_pushcfunction(L, l_exit);
    return 1;
}

/* The ground that everything stands on. */
static int open_all(rs_loop **loop, lua_State **L)
{
    rs_fds_claim();
    rs_fds_raise();
    int err = rs_loop_new(loop);
    if (err)
        return err;
    *L = luaL_newstate();
    if (!*L)
        return -ENOMEM;
    open_modules(*L);
    rs_task_init(*L, *loop);
    state = *L;
    return rs_signal_init(*loop, rs_task_interrupt, on_signal, NULL);
}

int main(int argc, char **argv)
{
    rs_loop *loop = NULL;
    lua_State *L = NULL;
    int err = open_all(&loop, &L);
    if (err) {
        fprintf(stderr, "rshell: can't start: %s\n", rs_err_text(err));
        return 1;
    }
    end(L, run(L, argc, argv));
}
