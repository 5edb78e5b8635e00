/* proc.run: start, feed, collect and wait, as one operation. */
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "loop/stream.h"
#include "loop/task.h"
#include "loop/timer.h"
#include "sys/proc_lua.h"
#include "sys/proc_spec.h"
#include "sys/stream.h"
#include "wire/codec_bulk.h"

static const double GIVE_UP = 3.0;

struct runner;

/* One of the program's outputs. */
typedef struct collector {
    struct runner *run;
    rs_stream *s; /* NULL once at its end */
    rs_buf got;   /* all of it at the end; what fitted, past the limit */
    bool full;    /* what more comes is thrown away */
    rs_wait wait;
} collector;

/* A run in progress. Its waiter may be cancelled: then it ends the processes and frees itself when they have ended.
 *
 *   running --(all ended, outputs at their end)----> over
 *      |                                               ^
 *      +--(time is over, too much output, cancel)--> ending
 *
 * What can't be ended (it runs under another account, or hangs in the kernel) is left alone after GIVE_UP seconds.
 */
typedef struct runner {
    rs_loop *loop;
    rs_pgroup *group;
    collector out, err;
    rs_stream *in;
    rs_wait in_wait;
    char *input;
    size_t input_len, input_sent;
    int master;  /* of a pty; -1. It is closed last: a hangup would end a program that has closed its outputs already */
    double idle; /* seconds without output that end it, or negative */
    size_t max_output; /* that is kept of each output */
    rs_timer limit_timer, idle_timer;
    const char *reason; /* why it was ended: timeout, line_timeout, limit */
    rs_wait *waiter;    /* NULL: cancelled */
    bool terminal, ending, over;
} runner;

/* Runs whose waiter was cancelled and whose processes have not ended yet. */
static int unattended;

int rs_proc_unattended(void)
{
    return unattended;
}

static void close_stream(rs_stream **s)
{
    rs_stream_free(*s);
    *s = NULL;
}

static void collector_close(collector *c)
{
    rs_wait_abandon(&c->wait);
    close_stream(&c->s);
}

static void runner_close(runner *r)
{
    rs_timer_stop(r->loop, &r->limit_timer);
    rs_timer_stop(r->loop, &r->idle_timer);
    rs_wait_abandon(&r->in_wait);
    close_stream(&r->in);
    collector_close(&r->out);
    collector_close(&r->err);
    rs_pgroup_release(r->group);
    r->group = NULL;
    if (r->master >= 0)
        close(r->master);
    r->master = -1;
}

static void runner_free(runner *r)
{
    runner_close(r);
    rs_buf_fini(&r->out.got);
    rs_buf_fini(&r->err.got);
    free(r->input);
    free(r);
}

static void finish(runner *r)
{
    r->over = true;
    if (!r->waiter) {
        unattended--;
        runner_free(r);
        return;
    }
    rs_wait *w = r->waiter;
    r->waiter = NULL;
    rs_wait_done(w, 0);
}

/* Over when nothing runs and nothing more can be read. What was killed is not waited for longer than it takes to read what it
 * had written: something that left its group may hold the pipe for ever. Frees r where nobody waits. */
static void check_over(runner *r)
{
    if (r->over || !rs_pgroup_all_ended(r->group))
        return;
    if (!r->ending && (r->out.s || r->err.s))
        return;
    finish(r);
}

static void give_up(rs_timer *t)
{
    runner *r = (runner *)((char *)t - offsetof(runner, limit_timer));
    if (!r->over)
        finish(r);
}

static void end(runner *r, const char *reason)
{
    if (r->ending || r->over)
        return;
    r->ending = true;
    r->reason = reason;
    rs_timer_stop(r->loop, &r->limit_timer);
    rs_timer_stop(r->loop, &r->idle_timer);
    rs_wait_abandon(&r->in_wait);
    close_stream(&r->in);
    rs_pgroup_end(r->group);
    (void)rs_timer_start(r->loop, &r->limit_timer, GIVE_UP, give_up);
}

static void limit_fired(rs_timer *t)
{
    runner *r = (runner *)((char *)t - offsetof(runner, limit_timer));
    end(r, "timeout");
    check_over(r);
}

static void idle_fired(rs_timer *t)
{
    runner *r = (runner *)((char *)t - offsetof(runner, idle_timer));
    end(r, "line_timeout");
    check_over(r);
}

static void restart_idle(runner *r)
{
    if (r->idle >= 0 && !r->ending)
        (void)rs_timer_start(r->loop, &r->idle_timer, r->idle, idle_fired);
}

/* ---- output ---- */

static void collect_on(rs_wait *w);

/* What was read so far becomes ours, without a copy. */
static void take_over(collector *c)
{
    rs_buf *from = rs_stream_input(c->s), ours = c->got;
    if (c->full)
        return;
    c->got = *from;
    *from = ours;
}

/* Reads all there is. Past the limit the rest is thrown away and the program is ended. */
static void collect(collector *c)
{
    int err;
    bool any = false;
    do {
        err = rs_stream_fill(c->s, rs_buf_len(rs_stream_input(c->s)) + 1);
        any = any || !err;
        if (err == RS_ELIMIT) {
            take_over(c);
            c->full = true;
            end(c->run, "limit");
        }
        if (c->full)
            rs_buf_clear(rs_stream_input(c->s));
    } while (!err || err == RS_ELIMIT);
    if (any)
        restart_idle(c->run);
    if (err == -EAGAIN && !rs_stream_await_in(c->s, &c->wait)) {
        c->wait.waiter = c;
        c->wait.wake = collect_on;
        return;
    }
    take_over(c);
    close_stream(&c->s);
}

static void collect_on(rs_wait *w)
{
    collector *c = w->waiter;
    collect(c);
    check_over(c->run);
}

/* ---- input ---- */

static void feed_on(rs_wait *w);

/* Writes what fits; a program that reads no more is no error. */
static void feed(runner *r)
{
    ssize_t n = rs_stream_write(r->in, r->input + r->input_sent, r->input_len - r->input_sent);
    if (n > 0)
        r->input_sent += (size_t)n;
    if (n < 0 || r->input_sent == r->input_len || rs_stream_await_out(r->in, &r->in_wait)) {
        close_stream(&r->in);
        return;
    }
    r->in_wait.waiter = r;
    r->in_wait.wake = feed_on;
}

static void feed_on(rs_wait *w)
{
    feed(w->waiter);
}

/* ---- the edge ---- */

/* What the waiting task holds; it may go before the runner does. */
typedef struct ticket {
    rs_wait wait;
    runner *run;
} ticket;

static void all_ended(void *user)
{
    runner *r = user;
    if (r->ending) { /* take what is in the pipes now */
        if (r->out.s && !r->out.wait.done) {
            rs_wait_abandon(&r->out.wait);
            collect(&r->out);
        }
        if (r->err.s && !r->err.wait.done) {
            rs_wait_abandon(&r->err.wait);
            collect(&r->err);
        }
    }
    check_over(r);
}

static void abandoned(rs_wait *w)
{
    ticket *t = w->op;
    runner *r = t->run;
    t->run = NULL;
    r->waiter = NULL;
    unattended++;
    end(r, "cancelled");
    check_over(r);
}

static int ticket_gc(lua_State *L)
{
    ticket *t = lua_touserdata(L, 1);
    runner *r = t->run;
    t->run = NULL;
    if (r && !r->waiter)
        runner_free(r);
    return 0;
}

static void push_output(lua_State *L, collector *c, const char *key)
{
    const rs_buf *b = c->s && !c->full ? rs_stream_input(c->s) : &c->got;
    size_t n = rs_buf_len(b);
    rs_bulk_push(L, rs_buf_data(b), n < c->run->max_output ? n : c->run->max_output);
    lua_setfield(L, -2, key);
}

/* The numbers of those that could not be ended. */
static void push_running(lua_State *L, const rs_pgroup *g)
{
    lua_newtable(L);
    for (int i = 0; i < rs_pgroup_count(g); i++) {
        if (rs_pgroup_exit(g, i).ended)
            continue;
        lua_pushinteger(L, rs_pgroup_pid(g, i));
        lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    }
}

static int over(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    ticket *t = (ticket *)ctx;
    runner *r = t->run;
    lua_createtable(L, 0, 5);
    rs_proc_push_exits(L, r->group);
    lua_setfield(L, -2, "exits");
    if (!rs_pgroup_all_ended(r->group)) {
        push_running(L, r->group);
        lua_setfield(L, -2, "running");
    }
    push_output(L, &r->out, "stdout");
    push_output(L, &r->err, "stderr");
    lua_pushstring(L, r->reason);
    lua_setfield(L, -2, "reason");
    t->run = NULL;
    runner_free(r);
    return 1;
}

static double seconds_field(lua_State *L, int i, const char *key)
{
    lua_getfield(L, i, key);
    double s = lua_isnil(L, -1) ? -1 : luaL_checknumber(L, -1);
    lua_pop(L, 1);
    return s;
}

static size_t max_output(lua_State *L, int i)
{
    lua_getfield(L, i, "max_output");
    lua_Number n = luaL_optnumber(L, -1, 64.0 * 1024 * 1024);
    lua_pop(L, 1);
    return n > 9e15 ? SIZE_MAX / 2 : n > 0 ? (size_t)n : 0;
}

static ticket *ticket_new(lua_State *L)
{
    ticket *t = lua_newuserdatauv(L, sizeof *t, 0);
    *t = (ticket){0};
    rs_wait_init(&t->wait, abandoned, t);
    if (luaL_newmetatable(L, "rshell.Run")) {
        lua_pushcfunction(L, ticket_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return t;
}

static int open_end(runner *r, int *fd, rs_stream **s)
{
    int err = *fd < 0 ? 0 : rs_stream_open_fd(r->loop, *fd, false, s);
    *fd = -1;
    return err;
}

static int open_ends(runner *r, rs_proc_ends *ends)
{
    if (r->terminal)
        r->master = fcntl(ends->out, F_DUPFD_CLOEXEC, 3);
    int err = open_end(r, &ends->in, &r->in);
    if (!err)
        err = open_end(r, &ends->out, &r->out.s);
    if (!err)
        err = open_end(r, &ends->err, &r->err.s);
    for (int *fd = &ends->in; fd <= &ends->err; fd++)
        if (*fd >= 0)
            close(*fd);
    return err;
}

static runner *runner_new(lua_State *L, size_t input_len)
{
    runner *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->loop = rs_task_loop(L);
    r->master = -1;
    r->out.run = r->err.run = r;
    rs_buf_init(&r->out.got, 0);
    rs_buf_init(&r->err.got, 0);
    r->out.wait.done = r->err.wait.done = r->in_wait.done = true; /* none of them is waited for yet */
    r->group = rs_pgroup_new(r->loop, rs_proc_spec_check(L, 1), all_ended, r);
    r->input = malloc(input_len + sizeof RS_END_OF_INPUT);
    if (r->group && r->input)
        return r;
    rs_pgroup_release(r->group);
    free(r->input);
    free(r);
    return NULL;
}

/* A terminal isn't closed: its end of file is typed. */
static void set_input(runner *r, const char *input, size_t len)
{
    memcpy(r->input, input, len);
    r->input_len = len;
    if (r->terminal) {
        memcpy(r->input + len, RS_END_OF_INPUT, sizeof RS_END_OF_INPUT);
        r->input_len += sizeof RS_END_OF_INPUT - 1;
    }
}

static void begin(runner *r, double limit)
{
    if (r->in)
        feed(r);
    for (collector *c = &r->out; c; c = c == &r->out ? &r->err : NULL) {
        if (!c->s)
            continue;
        rs_stream_input(c->s)->max = r->max_output + 1; /* one more shows that there is more */
        collect(c);
    }
    if (limit >= 0 && !r->ending)
        (void)rs_timer_start(r->loop, &r->limit_timer, limit, limit_fired);
    restart_idle(r);
}

/* It could not start, or not all of it: what has started is ended, and r frees itself when that is done. */
static void give_away(runner *r)
{
    unattended++;
    r->ending = true;
    rs_pgroup_signal(r->group, SIGKILL);
    check_over(r);
}

/* run(spec): the spec of spawn, with input, max_output, timeout, line_timeout. Gives {exits=, stdout=, stderr=, reason=,
 * running=}, or nil, text, NAME, where. */
int rs_proc_run(lua_State *L)
{
    rs_proc_ends ends;
    rs_proc_failure f;
    size_t len;
    lua_settop(L, 1);
    rs_task_check(L);
    rs_proc_spec_check(L, 1);
    double limit = seconds_field(L, 1, "timeout"), idle = seconds_field(L, 1, "line_timeout");
    lua_getfield(L, 1, "input");
    const char *input = luaL_optlstring(L, -1, "", &len);
    ticket *t = ticket_new(L);
    runner *r = t->run = runner_new(L, len);
    if (!r)
        return luaL_error(L, "not enough memory");
    r->max_output = max_output(L, 1);
    lua_getfield(L, 1, "pty");
    r->terminal = lua_toboolean(L, -1);
    lua_pop(L, 1);
    set_input(r, input, len);
    r->idle = idle;
    int err = rs_proc_spec_start(L, 1, r->group, &ends, &f);
    if (!err)
        err = open_ends(r, &ends);
    if (err) {
        f.err = err;
        t->run = NULL;
        give_away(r);
        return rs_proc_failure_push(L, &f);
    }
    begin(r, limit);
    r->waiter = &t->wait;
    check_over(r);
    return rs_task_wait(L, &t->wait, (lua_KContext)t, over);
}
