/* Turns of the loop where they are least expected: amid code that a signal has interrupted, and in waits in place. */
#include "unit.h"

#include <lauxlib.h>
#include <lualib.h>

#include "loop/loop.h"
#include "loop/task.h"
#include "loop/timer.h"
#include "loop/wait.h"

typedef struct fixture {
    rs_loop *loop;
    lua_State *L;
} fixture;

/* As if the signal came while this runs. */
static int l_nudge(lua_State *L)
{
    (void)L;
    rs_task_nudge();
    return 0;
}

static int setup(void **state)
{
    static fixture f;
    assert_int_equal(rs_loop_new(&f.loop), 0);
    f.L = luaL_newstate();
    luaL_openlibs(f.L);
    rs_task_init(f.L, f.loop);
    lua_register(f.L, "nudge", l_nudge);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    rs_task_shutdown(f->L, 1);
    lua_close(f->L);
    return rs_loop_free(f->loop) ? 0 : -1;
}

/* What the code returns, as a string. */
static void expect(fixture *f, const char *code, const char *chunk, const char *result)
{
    if (luaL_loadbuffer(f->L, code, strlen(code), chunk))
        fail_msg("%s", lua_tostring(f->L, -1));
    if (rs_task_main(f->L, 0))
        fail_msg("%s", luaL_tolstring(f->L, -2, NULL));
    assert_string_equal(luaL_tolstring(f->L, -1, NULL), result);
    lua_settop(f->L, 0);
}

/* ---- nudges ---- */

#define OTHERS "local task, ran = require 'rshell.task', false; task.spawn(function() ran = true end) "

/* Others come in at once, but not amid our own code, of which a C function that it calls is a part. */
static void test_nudge(void **state)
{
    static const struct {
        const char *chunk, *code, *result;
    } cases[] = {
        {"@x.lua", OTHERS "nudge() return ran", "true"},
        {"=shipped", OTHERS "nudge() return ran", "true"},
        {"@rshell/shared/x.lua", OTHERS "nudge() return ran", "false"},
        {"@rshell/rpc/x.lua", OTHERS "nudge() return ran", "false"},
        {"@agent/x.lua", OTHERS "nudge() return ran", "false"},
        {"@agent/x.lua", OTHERS "pcall(nudge) return ran", "false"},
        {"@agent/x.lua", OTHERS "string.gsub('x', 'x', nudge) return ran", "false"},
        /* what it calls is somebody else's */
        {"@agent/x.lua", OTHERS "load('nudge() for i = 1, 9 do end', '=shipped')() return ran", "true"},
        {"@agent/x.lua", OTHERS "nudge() load('for i = 1, 300 do end', '=shipped')() return ran", "true"},
        /* it has its name by chance, and goes on and on */
        {"@agent/x.lua", OTHERS "nudge() for i = 1, 1e9 do if ran then return ran end end", "true"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        expect(*state, cases[i].code, cases[i].chunk, cases[i].result);
}

/* Who looks, then waits: what would have ended the wait may not happen between the two. */
static void test_nudge_before_wait(void **state)
{
    static const char code[] = "local task, ready = require 'rshell.task', false\n"
                               "local event = task.event()\n"
                               "task.spawn(function() ready = true event:notify() end)\n"
                               "while not ready do\n"
                               "    nudge()\n"
                               "    if not event:wait(20) then return 'lost' end\n"
                               "end\n"
                               "return 'woken'";
    expect(*state, code, "@rshell/shared/x.lua", "woken");
}

/* A turn that came by itself is as good as one that is made for the nudge. */
static void test_nudge_is_over(void **state)
{
    static const char code[] =
        "local task = require 'rshell.task'\n"
        "nudge()\n"
        "task.sleep(0)\n" OTHERS "return load('for i = 1, 300 do end return ...', '=shipped')(ran)";
    expect(*state, code, "@agent/x.lua", "false");
}

/* ---- waits in place ---- */

typedef struct planned {
    rs_wait wait;
    rs_later later;
} planned;

static bool slept;

static void wake(rs_timer *t)
{
    (void)t;
    slept = true;
}

static void end_wait(rs_later *w)
{
    rs_wait_done(&((planned *)((char *)w - offsetof(planned, later)))->wait, 0);
}

static int over(lua_State *L, int status, lua_KContext ctx)
{
    (void)status, (void)ctx;
    lua_pushboolean(L, 1);
    return 1;
}

/* Waits for what is planned for the end of this turn of the loop. */
static int l_wait_for_later(lua_State *L)
{
    planned *p = lua_newuserdatauv(L, sizeof *p, 0);
    memset(p, 0, sizeof *p);
    rs_wait_init(&p->wait, NULL, NULL);
    p->later.run = end_wait;
    rs_loop_later(rs_task_loop(L), &p->later);
    return rs_task_wait(L, &p->wait, 0, over);
}

static void test_later_ends_wait(void **state)
{
    static const char *const code[] = {
        "return wait_for_later()",
        "local s = string.gsub('x', 'x', function() return tostring(wait_for_later()) end) return s",
    };
    fixture *f = *state;
    lua_register(f->L, "wait_for_later", l_wait_for_later);
    for (size_t i = 0; i < COUNT(code); i++) {
        rs_timer t = {0};
        slept = false;
        assert_int_equal(rs_timer_start(f->loop, &t, 20, wake), 0);
        expect(f, code[i], "=x", "true");
        assert_false(slept);
        rs_timer_stop(f->loop, &t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nudge, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nudge_before_wait, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nudge_is_over, setup, teardown),
        cmocka_unit_test_setup_teardown(test_later_ends_wait, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
