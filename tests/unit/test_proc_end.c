/* Programs that are left running when the Lua state is gone. */
#include "unit.h"

#include <errno.h>
#include <lauxlib.h>
#include <lualib.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loop/loop.h"
#include "loop/proc.h"
#include "loop/task.h"
#include "sys/proc_lua.h"
#include "sys/stream.h"
#include "sys/sys.h"

enum { HANGS = 60 }; /* seconds */

static const char ignores_term[] =
    "local p = assert(require 'rshell.sys.proc'.spawn {"
    "    argv = {'/bin/sh', '-c', 'trap \"\" TERM; echo; while :; do sleep 60; done'}, stdout = 'pipe',"
    "}) "
    "p.stdout:read(1) "
    "return p.pids[1]";

static pid_t start(lua_State *L, const char *code)
{
    if (luaL_loadstring(L, code) || rs_task_main(L, 0))
        fail_msg("%s", luaL_tolstring(L, -1, NULL));
    return (pid_t)lua_tointeger(L, -1);
}

/* There is no time to wait for it. */
static void test_killed_when_time_is_over(void **state)
{
    rs_loop *loop;
    int status;
    assert_int_equal(rs_loop_new(&loop), 0);
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    rs_sys_preload(L);
    rs_task_init(L, loop);
    pid_t pid = start(L, ignores_term);
    rs_task_shutdown(L, 1);
    lua_close(L);
    rs_proc_end_all(loop, 0);
    rs_lstream_fini();
    rs_pgroups_forget();
    alarm(HANGS);
    if (waitpid(pid, &status, 0) == pid) /* else it has been reaped */
        assert_int_equal(WTERMSIG(status), SIGKILL);
    else
        assert_int_equal(errno, ECHILD);
    alarm(0);
    assert_true(rs_loop_free(loop));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_killed_when_time_is_over)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
