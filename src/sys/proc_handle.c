/* What proc.spawn returns: a group of processes under way, with its streams. */
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/err.h"
#include "loop/task.h"
#include "loop/task_error.h"
#include "loop/timer.h"
#include "sys/proc_lua.h"
#include "sys/proc_spec.h"
#include "sys/stream.h"
#include "sys/tty.h"

#define HANDLE "rshell.sys.Process"

enum { UV_IN = 1, UV_OUT, UV_ERR };

typedef struct exit_waiter {
    rs_wait wait;
    struct exit_waiter *next, **at;
} exit_waiter;

/* The processes; they may outlive the Lua object that names them. */
typedef struct run {
    struct run *next, **at; /* in `dropped`, once nobody names it */
    rs_pgroup *group;
    exit_waiter *waiters;
    rs_tty *tty; /* while it has our terminal */
    bool keep;
} run;

typedef struct handle {
    run *run;
    int master; /* our own fd of a pty, for its size; -1 */
} handle;

static run *dropped;

static void wake_waiters(run *r, int status)
{
    while (r->waiters) {
        exit_waiter *w = r->waiters;
        r->waiters = w->next;
        if (w->next)
            w->next->at = &r->waiters;
        w->at = NULL;
        rs_wait_done(&w->wait, status);
    }
}

/* Who still waits learns that it was let go. */
static void run_free(run *r)
{
    wake_waiters(r, RS_ECLOSED);
    if (r->at) {
        *r->at = r->next;
        if (r->next)
            r->next->at = r->at;
    }
    rs_tty_give_back(r->tty);
    rs_pgroup_release(r->group);
    free(r);
}

static void all_ended(void *user)
{
    run *r = user;
    rs_tty_give_back(r->tty);
    r->tty = NULL;
    wake_waiters(r, 0);
    if (r->at)
        run_free(r);
}

static bool end_dropped(void)
{
    for (run *r = dropped, *next; r; r = next) {
        next = r->next;
        rs_pgroup_end(r->group);
    }
    return dropped != NULL;
}

static void wake_up(rs_timer *t)
{
    (void)t;
}

void rs_proc_end_all(rs_loop *loop, double seconds)
{
    rs_timer limit = {0};
    uint64_t last = rs_loop_now() + (uint64_t)(seconds * 1e9);
    while ((end_dropped() || rs_proc_unattended() > 0) && rs_loop_now() < last) {
        (void)rs_timer_start(loop, &limit, (double)(last - rs_loop_now()) / 1e9, wake_up);
        rs_loop_poll(loop, true);
    }
    rs_timer_stop(loop, &limit);
    while (dropped) { /* on a machine that is so busy that not even its KILL has come */
        rs_pgroup_signal(dropped->group, SIGKILL);
        run_free(dropped);
    }
}

/* Nobody names it any more: it goes on, and is known here until it has ended. */
static void drop(run *r)
{
    if (r->keep || rs_pgroup_all_ended(r->group)) {
        run_free(r);
        return;
    }
    r->next = dropped;
    r->at = &dropped;
    if (dropped)
        dropped->at = &r->next;
    dropped = r;
}

static handle *check_handle(lua_State *L)
{
    handle *h = luaL_checkudata(L, 1, HANDLE);
    if (!h->run)
        rs_error_raise(L, RS_ECLOSED, "the process");
    return h;
}

void rs_proc_push_exits(lua_State *L, const rs_pgroup *g)
{
    int n = rs_pgroup_count(g);
    lua_createtable(L, n, 0);
    for (int i = 0; i < n; i++) {
        rs_exit e = rs_pgroup_exit(g, i);
        if (!e.ended) {
            lua_pushboolean(L, 0);
        } else {
            lua_createtable(L, 0, 1);
            if (e.signal)
                lua_pushstring(L, rs_proc_signal_name(e.signal));
            else
                lua_pushinteger(L, e.code);
            lua_setfield(L, -2, e.signal ? "signal" : "code");
        }
        lua_rawseti(L, -2, i + 1);
    }
}

static void set_number(lua_State *L, const char *key, double n)
{
    lua_pushnumber(L, n);
    lua_setfield(L, -2, key);
}

/* usage(): what all of them have used; nil while one runs, and once they were let go. The largest counts for memory. */
static int l_usage(lua_State *L)
{
    const handle *h = luaL_checkudata(L, 1, HANDLE);
    const rs_pgroup *g = h->run ? h->run->group : NULL;
    rs_exit sum = {0};
    if (!g || !rs_pgroup_all_ended(g))
        return 0;
    for (int i = 0; i < rs_pgroup_count(g); i++) {
        rs_exit e = rs_pgroup_exit(g, i);
        sum.user += e.user;
        sum.system += e.system;
        sum.memory = e.memory > sum.memory ? e.memory : sum.memory;
    }
    lua_createtable(L, 0, 3);
    set_number(L, "user", sum.user);
    set_number(L, "system", sum.system);
    lua_pushinteger(L, (lua_Integer)sum.memory);
    lua_setfield(L, -2, "memory");
    return 1;
}

/* ---- starting ---- */

static int push_end(lua_State *L, int handle_at, int fd, int slot, bool cooked)
{
    if (fd < 0)
        return 0;
    rs_stream *s;
    int err = rs_stream_open_fd(rs_task_loop(L), fd, false, &s);
    if (err)
        return err;
    rs_lstream_push(L, s);
    if (slot != UV_IN)
        rs_lstream_drain(L, -1);
    else if (cooked)
        rs_lstream_is_terminal(L, -1);
    lua_setiuservalue(L, handle_at, slot);
    return 0;
}

/* cooked: a terminal that takes a key for the end of its input */
static int push_ends(lua_State *L, int handle_at, const rs_proc_ends *ends, bool cooked)
{
    int err = push_end(L, handle_at, ends->in, UV_IN, cooked);
    if (!err)
        err = push_end(L, handle_at, ends->out, UV_OUT, cooked);
    else if (ends->out >= 0)
        close(ends->out);
    if (!err)
        err = push_end(L, handle_at, ends->err, UV_ERR, cooked);
    else if (ends->err >= 0)
        close(ends->err);
    return err;
}

static bool flag(lua_State *L, const char *key)
{
    lua_getfield(L, 1, key);
    bool on = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return on;
}

/* Whether the terminal that is asked for is a raw one. */
static bool raw_pty(lua_State *L)
{
    bool raw = lua_getfield(L, 1, "pty") == LUA_TTABLE && lua_getfield(L, -1, "raw") && lua_toboolean(L, -1);
    lua_settop(L, 2);
    return raw;
}

static run *run_new(lua_State *L)
{
    run *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->keep = flag(L, "keep");
    r->group = rs_pgroup_new(rs_task_loop(L), rs_proc_spec_check(L, 1), all_ended, r);
    if (r->group)
        return r;
    free(r);
    return NULL;
}

/* spawn(spec): the handle, or nil, text, NAME, where. */
int rs_proc_spawn(lua_State *L)
{
    rs_proc_ends ends;
    rs_proc_failure f;
    lua_settop(L, 1);
    rs_proc_spec_check(L, 1);
    handle *h = lua_newuserdatauv(L, sizeof *h, 3);
    *h = (handle){.master = -1};
    luaL_setmetatable(L, HANDLE);
    h->run = run_new(L);
    if (!h->run)
        return luaL_error(L, "not enough memory");
    int err = rs_proc_spec_start(L, 1, h->run->group, &ends, &f);
    bool cooked = flag(L, "pty") && !raw_pty(L);
    if (!err && cooked) /* a raw one hangs up with its streams */
        h->master = fcntl(ends.out, F_DUPFD_CLOEXEC, 3);
    if (!err)
        err = push_ends(L, 2, &ends, cooked);
    if (!err && flag(L, "foreground"))
        h->run->tty = rs_tty_lend(rs_task_loop(L), rs_pgroup_id(h->run->group));
    if (err) {
        f.err = err;
        rs_pgroup_signal(h->run->group, SIGKILL);
        run_free(h->run);
        h->run = NULL;
        return rs_proc_failure_push(L, &f);
    }
    lua_settop(L, 2);
    return 1;
}

/* ---- waiting ---- */

static void abandon(rs_wait *w)
{
    exit_waiter *e = w->op;
    if (!e->at)
        return;
    *e->at = e->next;
    if (e->next)
        e->next->at = e->at;
    e->at = NULL;
}

static int wait_over(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    exit_waiter *e = (exit_waiter *)ctx;
    if (e->wait.status)
        return rs_error_edge(L, e->wait.status);
    rs_proc_push_exits(L, check_handle(L)->run->group);
    return 1;
}

static int wait_for_end(lua_State *L, run *r, double seconds)
{
    exit_waiter *e = lua_newuserdatauv(L, sizeof *e, 0);
    rs_wait_init(&e->wait, abandon, e);
    if (rs_pgroup_all_ended(r->group)) {
        e->at = NULL;
        e->wait.done = true;
    } else {
        e->next = r->waiters;
        e->at = &r->waiters;
        if (e->next)
            e->next->at = &e->next;
        r->waiters = e;
    }
    return rs_task_wait_for(L, &e->wait, seconds, (lua_KContext)e, wait_over);
}

/* handle:wait([seconds]): the exits, or nil, text, "ETIMEOUT". */
static int l_wait(lua_State *L)
{
    handle *h = check_handle(L);
    double seconds = luaL_optnumber(L, 2, -1);
    rs_task_check(L);
    return wait_for_end(L, h->run, seconds);
}

/* handle:exits(): what is known now; false for a stage that runs. */
static int l_exits(lua_State *L)
{
    rs_proc_push_exits(L, check_handle(L)->run->group);
    return 1;
}

static int l_ended(lua_State *L)
{
    lua_pushboolean(L, rs_pgroup_all_ended(check_handle(L)->run->group));
    return 1;
}

/* handle:kill([signal]): to the whole group. */
static int l_kill(lua_State *L)
{
    handle *h = check_handle(L);
    int sig = lua_isnoneornil(L, 2) ? SIGTERM : rs_proc_check_signal(L, 2);
    int err = rs_pgroup_signal(h->run->group, sig);
    if (err)
        return rs_error_edge(L, err);
    lua_pushboolean(L, 1);
    return 1;
}

/* handle:stop([seconds]): TERM, then KILL; gives the exits once all have ended, or nil, text, "ETIMEOUT". */
static int l_stop(lua_State *L)
{
    handle *h = check_handle(L);
    double seconds = luaL_optnumber(L, 2, -1);
    rs_task_check(L);
    rs_pgroup_end(h->run->group);
    return wait_for_end(L, h->run, seconds);
}

/* handle:release(): lets go of the processes: what still runs goes on, until the program ends. */
static int l_release(lua_State *L)
{
    handle *h = luaL_checkudata(L, 1, HANDLE);
    run *r = h->run;
    h->run = NULL;
    if (r)
        drop(r);
    if (h->master >= 0)
        close(h->master);
    h->master = -1;
    return 0;
}

/* handle:resize(rows, cols): of its pty. */
static int l_resize(lua_State *L)
{
    handle *h = check_handle(L);
    struct winsize size = {.ws_row = (unsigned short)luaL_checkinteger(L, 2),
                           .ws_col = (unsigned short)luaL_checkinteger(L, 3)};
    if (h->master < 0 || ioctl(h->master, TIOCSWINSZ, &size))
        return rs_error_edge(L, h->master < 0 ? -ENOTTY : -errno);
    lua_pushboolean(L, 1);
    return 1;
}

static int push_pids(lua_State *L, const rs_pgroup *g)
{
    lua_createtable(L, rs_pgroup_count(g), 0);
    for (int i = 0; i < rs_pgroup_count(g); i++) {
        lua_pushinteger(L, rs_pgroup_pid(g, i));
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static int l_index(lua_State *L)
{
    static const char *const streams[] = {"stdin", "stdout", "stderr"};
    handle *h = luaL_checkudata(L, 1, HANDLE);
    const char *key = luaL_checkstring(L, 2);
    for (int i = 0; i < 3; i++) {
        if (strcmp(key, streams[i]) == 0) {
            lua_getiuservalue(L, 1, i + 1);
            return 1;
        }
    }
    if (strcmp(key, "pids") == 0 && h->run)
        return push_pids(L, h->run->group);
    lua_getmetatable(L, 1);
    lua_getfield(L, -1, key);
    return 1;
}

static const luaL_Reg methods[] = {
    {"wait", l_wait},     {"exits", l_exits},     {"ended", l_ended},   {"kill", l_kill},
    {"stop", l_stop},     {"release", l_release}, {"resize", l_resize}, {"usage", l_usage},
    {"__index", l_index}, {"__gc", l_release},    {NULL, NULL},
};

void rs_proc_handle_register(lua_State *L)
{
    luaL_newmetatable(L, HANDLE);
    luaL_setfuncs(L, methods, 0);
    lua_pop(L, 1);
}
