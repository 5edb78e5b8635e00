#include "sys/stream.h"

#include <errno.h>
#include <lauxlib.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "loop/task.h"
#include "loop/task_error.h"
#include "sys/block.h"
#include "wire/codec_bulk.h"

#define STREAM "rshell.Stream"

typedef struct write_request write_request;

typedef struct lstream {
    rs_stream *s;                   /* NULL once closed */
    write_request *writers, **last; /* the first is writing, the others wait for it */
    bool drain;                     /* once dropped */
    bool terminal;                  /* closing it types the end of file */
} lstream;

static lstream *check_stream(lua_State *L, int i)
{
    return luaL_checkudata(L, i, STREAM);
}

static lstream *check_open(lua_State *L, int i)
{
    lstream *ls = check_stream(L, i);
    if (!ls->s)
        rs_error_raise(L, RS_ECLOSED, "the stream");
    return ls;
}

void rs_lstream_push(lua_State *L, rs_stream *s)
{
    lstream *ls = lua_newuserdatauv(L, sizeof *ls, 1);
    *ls = (lstream){.s = s};
    ls->last = &ls->writers;
    luaL_setmetatable(L, STREAM);
}

void rs_lstream_push_fd(lua_State *L, int fd, bool shared)
{
    lstream *ls = lua_newuserdatauv(L, sizeof *ls, 1);
    *ls = (lstream){0};
    ls->last = &ls->writers;
    luaL_setmetatable(L, STREAM);
    int err = rs_stream_open_fd(rs_task_loop(L), fd, shared, &ls->s);
    if (err)
        rs_error_raise(L, err, "can't use a stream");
}

void rs_lstream_set_host(lua_State *L, int i, int host)
{
    i = lua_absindex(L, i);
    lua_pushvalue(L, host);
    lua_setiuservalue(L, i, 1);
}

/* Raises what has happened to the stream that the running function was called with. */
static int raise(lua_State *L, int err, const char *what)
{
    if (!luaL_testudata(L, 1, STREAM))
        return rs_error_raise(L, err, what);
    const char *text = rs_err_text(err);
    bool more = lua_getiuservalue(L, 1, 1) == LUA_TTABLE;
    if (more) {
        bool told = lua_getfield(L, -1, "why") == LUA_TSTRING && err == RS_ECLOSED;
        text = told ? lua_tostring(L, -1) : text;
        lua_getfield(L, -2, "host");
    }
    if (lua_type(L, -1) != LUA_TSTRING)
        return rs_error_raise(L, err, what);
    rs_error_push(L, rs_err_kind(err), "%s: %s", what, text);
    lua_insert(L, -2);
    lua_setfield(L, -2, "host");
    return lua_error(L);
}

/* ---- reading ---- */

enum want { SOME, EXACT, BLOCK, LINE, LINE_END, ALL };

typedef struct read_request {
    rs_wait wait;
    lstream *ls;
    enum want want;
    size_t n;
    size_t max;     /* bytes of a line that come at once */
    size_t scanned; /* bytes without a newline so far */
    uint64_t end;   /* of its time, 0: none */
    int err;        /* why no more will come, once that is known */
} read_request;

/* Scripts call these methods as they are: what they get wrong is an error object, as everywhere. */
static int misused(lua_State *L, const char *what)
{
    rs_error_push(L, "usage", "%s", what);
    return lua_error(L);
}

static int bad_format(lua_State *L)
{
    return misused(L, "read: a number of bytes, {exact=n}, \"l\", \"L\" or \"a\" expected");
}

static size_t size_at(lua_State *L, int i)
{
    int whole = 0;
    lua_Integer n = lua_type(L, i) == LUA_TNUMBER ? lua_tointegerx(L, i, &whole) : 0;
    if (!whole || n < 0)
        bad_format(L);
    return (size_t)n;
}

/* {exact=n}, or among ourselves {block=n}, and nothing else. */
static void parse_table(lua_State *L, int i, read_request *r)
{
    r->want = BLOCK;
    if (lua_getfield(L, i, "block") == LUA_TNIL) {
        r->want = EXACT;
        lua_getfield(L, i, "exact");
    }
    r->n = size_at(L, -1);
    lua_pushnil(L);
    if ((r->want == BLOCK && r->n == 0) || !lua_next(L, i) || (lua_pop(L, 1), lua_next(L, i)))
        bad_format(L);
}

static enum want wanted_by_name(lua_State *L, int i)
{
    static const enum want wants[] = {['l'] = LINE, ['L'] = LINE_END, ['a'] = ALL};
    const char *name = lua_isnoneornil(L, i) ? "l" : lua_type(L, i) == LUA_TSTRING ? lua_tostring(L, i) : "";
    name += *name == '*';
    if (!*name || name[1] || !strchr("lLa", *name))
        bad_format(L);
    return wants[(unsigned char)*name];
}

static void parse_format(lua_State *L, int i, read_request *r)
{
    int top = lua_gettop(L);
    if (lua_type(L, i) == LUA_TNUMBER) {
        r->n = size_at(L, i);
        r->want = SOME;
    } else if (lua_type(L, i) == LUA_TTABLE) {
        parse_table(L, i, r);
    } else {
        r->want = wanted_by_name(L, i);
    }
    lua_settop(L, top);
}

static int take(lua_State *L, rs_buf *in, size_t n, size_t drop)
{
    rs_bulk_push(L, rs_buf_data(in), n);
    rs_buf_consume(in, n + drop);
    return 1;
}

static int take_block(lua_State *L, rs_buf *in)
{
    rs_buf_swap(in, rs_block_push(L));
    return 1;
}

/* Pushes what was asked for if it has come; 0 if not. */
static int take_wanted(lua_State *L, read_request *r)
{
    rs_buf *in = rs_stream_input(r->ls->s);
    size_t len = rs_buf_len(in);
    ptrdiff_t at;
    switch (r->want) {
    case SOME: return len > 0 && r->n > 0 ? take(L, in, len < r->n ? len : r->n, 0) : 0;
    case EXACT: return len >= r->n && r->n > 0 ? take(L, in, r->n, 0) : 0;
    case BLOCK: return len >= r->n ? take_block(L, in) : 0;
    case LINE:
    case LINE_END:
        at = rs_buf_find(in, '\n', r->scanned);
        r->scanned = len;
        if ((at < 0 ? len : (size_t)at) >= r->max)
            return take(L, in, r->max, 0);
        if (at < 0)
            return 0;
        return r->want == LINE ? take(L, in, (size_t)at, 1) : take(L, in, (size_t)at + 1, 0);
    case ALL: return 0;
    }
    return 0;
}

/* At the end: what is left, or nil; an error that isn't the end is raised once what came before it was taken. */
static int take_rest(lua_State *L, read_request *r)
{
    rs_buf *in = rs_stream_input(r->ls->s);
    size_t len = rs_buf_len(in);
    bool plain_end = r->err == RS_EEOF;
    if (r->n == 0 && r->want <= EXACT && (len > 0 || !plain_end)) {
        lua_pushliteral(L, "");
        return 1;
    }
    if (len > 0 || (r->want == ALL && plain_end))
        return r->want == BLOCK ? take_block(L, in) : take(L, in, len, 0);
    if (!plain_end)
        return raise(L, r->err, "can't read");
    lua_pushnil(L);
    return 1;
}

static double left(const read_request *r)
{
    if (!r->end)
        return -1;
    uint64_t now = rs_loop_now();
    return now < r->end ? (double)(r->end - now) / 1e9 : 0;
}

static void check_reader(lua_State *L, const rs_stream *s)
{
    if (rs_stream_awaited_in(s))
        rs_error_raise(L, RS_EUSAGE, "another task is reading this stream");
}

/* Raises for a wait that ended badly, and for a stream that was closed. */
static void check_woken(lua_State *L, const read_request *r)
{
    if (!r->ls->s)
        rs_error_raise(L, RS_ECLOSED, "the stream");
    if (r->wait.status)
        raise(L, r->wait.status, "can't read");
}

/* Pushes the result as far as it can be had without waiting; 0 if not. */
static int try_read(lua_State *L, read_request *r)
{
    for (;;) {
        int n = take_wanted(L, r);
        if (n)
            return n;
        size_t len = rs_buf_len(rs_stream_input(r->ls->s));
        size_t more = r->want == EXACT || r->want == BLOCK ? r->n : len + 1;
        r->err = r->n == 0 && r->want <= EXACT ? 0 : rs_stream_fill(r->ls->s, more);
        if (r->err == -EAGAIN)
            return 0;
        if (r->err || (r->n == 0 && r->want <= EXACT))
            return take_rest(L, r);
    }
}

static int read_on(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    read_request *r = (read_request *)ctx;
    for (;;) {
        check_woken(L, r);
        int n = try_read(L, r);
        if (n)
            return n;
        check_reader(L, r->ls->s);
        (void)rs_stream_await_in(r->ls->s, &r->wait);
        if (!rs_task_wait_here(L, &r->wait, left(r)))
            return rs_task_wait_for(L, &r->wait, left(r), ctx, read_on);
    }
}

/* stream:read([what [, timeout [, max]]]); what = {block=n} gives at least n bytes, fewer at the end, as a block. A line of more than max bytes comes in pieces; only the last has the newline. */
static int l_read(lua_State *L)
{
    lstream *ls = check_open(L, 1);
    double seconds = luaL_optnumber(L, 3, -1), max = luaL_optnumber(L, 4, HUGE_VAL);
    luaL_argcheck(L, max >= 1, 4, "at least 1 expected");
    lua_settop(L, 3);
    read_request *r = lua_newuserdatauv(L, sizeof *r, 0);
    *r = (read_request){.ls = ls, .max = max < 9e15 ? (size_t)max : SIZE_MAX};
    parse_format(L, 2, r);
    if (seconds >= 0 && seconds < 1e9)
        r->end = rs_loop_now() + (uint64_t)(seconds * 1e9);
    rs_task_check(L);
    check_reader(L, ls->s); /* before it takes what another one waits for */
    r->wait.done = true; /* the first try goes through the task as well: a source that is always ready is no monopoly */
    return rs_task_wait(L, &r->wait, (lua_KContext)r, read_on);
}

/* stream:lines([what]) */
static int next_line(lua_State *L)
{
    lua_settop(L, 0);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushvalue(L, lua_upvalueindex(2));
    return l_read(L);
}

static int l_lines(lua_State *L)
{
    read_request check;
    check_open(L, 1);
    parse_format(L, 2, &check);
    lua_settop(L, 2);
    lua_pushcclosure(L, next_line, 2);
    return 1;
}

/* ---- writing ---- */

/* Waits first for the writers before it, then for room. */
struct write_request {
    rs_wait wait;
    write_request *next;
    lstream *ls;
    const char *data; /* still to be written */
    size_t len;
    rs_buf block; /* that it is in, where it came as one */
    bool queued;
};

/* Lets the next writer begin. */
static void leave_queue(write_request *q)
{
    lstream *ls = q->ls;
    if (!q->queued)
        return;
    q->queued = false;
    bool first = ls->writers == q;
    for (write_request **p = &ls->writers; *p; p = &(*p)->next) {
        if (*p != q)
            continue;
        *p = q->next;
        if (ls->last == &q->next)
            ls->last = p;
        break;
    }
    if (first && ls->writers)
        rs_wait_done(&ls->writers->wait, 0);
}

static void abandon_turn(rs_wait *w)
{
    leave_queue(w->op);
}

/* A writer that is cancelled amid its data leaves, so that the others don't hang; what it had written stays written. */
static int write_gc(lua_State *L)
{
    write_request *q = lua_touserdata(L, 1);
    leave_queue(q);
    rs_block_put(&q->block);
    return 0;
}

static int write_fails(lua_State *L, write_request *q, int err)
{
    leave_queue(q);
    return raise(L, err, "can't write");
}

/* A step of writing; true while there is more to do after q->wait. */
static bool write_step(lua_State *L, write_request *q)
{
    if (!q->ls->s || q->wait.status)
        write_fails(L, q, q->ls->s ? q->wait.status : RS_ECLOSED);
    if (q->ls->writers != q) { /* those before it first */
        rs_wait_init(&q->wait, abandon_turn, q);
        return true;
    }
    ssize_t n = rs_stream_write(q->ls->s, q->data, q->len);
    if (n < 0)
        write_fails(L, q, (int)n);
    q->data += n;
    q->len -= (size_t)n;
    int err = q->len ? rs_stream_await_out(q->ls->s, &q->wait) : 0;
    if (err)
        write_fails(L, q, err);
    return q->len > 0;
}

static int write_on(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    write_request *q = (write_request *)ctx;
    while (write_step(L, q))
        if (!rs_task_wait_here(L, &q->wait, -1))
            return rs_task_wait(L, &q->wait, ctx, write_on);
    leave_queue(q);
    lua_pushvalue(L, 1); /* Lua 5.4.4's lua_settop, when it closes q, may leave the stack where it was before it grew */
    return 1;
}

static void join_queue(write_request *q)
{
    q->queued = true;
    q->next = NULL;
    *q->ls->last = q;
    q->ls->last = &q->next;
}

/* Makes the userdata on top of the stack, which begins with a write_request, leave its queue when the call ends. */
static void leave_at_end(lua_State *L)
{
    if (luaL_newmetatable(L, "rshell.Write")) {
        lua_pushcfunction(L, write_gc);
        lua_setfield(L, -2, "__gc");
        lua_pushcfunction(L, write_gc);
        lua_setfield(L, -2, "__close");
    }
    lua_setmetatable(L, -2);
    lua_toclose(L, -1);
}

/* The arguments become one string, but for a block. */
static rs_buf *check_data(lua_State *L)
{
    rs_buf *block = lua_gettop(L) == 2 ? rs_block_test(L, 2) : NULL;
    if (block)
        return block;
    for (int i = 2; i <= lua_gettop(L); i++)
        if (!lua_isstring(L, i))
            misused(L, lua_pushfstring(L, "write: a string expected, got %s", luaL_typename(L, i)));
    lua_concat(L, lua_gettop(L) - 1);
    return NULL;
}

/* stream:write(...): strings and numbers, or one block; the stream. What several tasks write is not mixed within one call. */
static int l_write(lua_State *L)
{
    lstream *ls = check_open(L, 1);
    rs_buf *block = check_data(L);
    rs_task_check(L);
    write_request *q = lua_newuserdatauv(L, sizeof *q, 0);
    *q = (write_request){.ls = ls};
    leave_at_end(L);
    if (block) {
        rs_buf_init(&q->block, 0);
        rs_buf_swap(&q->block, block);
        q->data = rs_buf_data(&q->block);
        q->len = rs_buf_len(&q->block);
    } else {
        q->data = lua_tolstring(L, 2, &q->len);
    }
    join_queue(q);
    q->wait.done = true;
    return rs_task_wait(L, &q->wait, (lua_KContext)q, write_on);
}

/* ---- from one stream to another ---- */

/* A source that has given less is asked again first: a write costs more than that. */
enum { BATCH = 32 * 1024 };

enum {
    MUCH = 256 * 1024, /* bytes; pipes that carry more are widened */
    PASSES = 8,        /* at once, of what is passed on unread */
};

/* In the queue of writers only while it has bytes that were read and not written. */
typedef struct pump {
    write_request q;
    rs_wait in; /* for input; done from the start where it is only a pause that lets other tasks in */
    rs_sink sink;
    lstream *from;
    bool once; /* what has come is enough */
    bool wide;
    lua_Integer bytes;
} pump;

static rs_stream *sink_to(rs_sink *k)
{
    const pump *p = (const pump *)((const char *)k - offsetof(pump, sink));
    return p->q.ls->writers ? NULL : p->q.ls->s;
}

/* Pipes that carry much, so that their two ends wake each other less often. */
static void pump_widen(pump *p)
{
    if (p->wide || p->bytes < MUCH || !p->q.ls->s)
        return;
    p->wide = true;
    rs_stream_widen(p->from->s);
    rs_stream_widen(p->q.ls->s);
}

static void sink_took(rs_sink *k, size_t n)
{
    pump *p = (pump *)((char *)k - offsetof(pump, sink));
    p->bytes += (lua_Integer)n;
    pump_widen(p);
}

/* As much as goes to the other stream without being read. Gives what to wait for; NULL where it is to be read. */
static rs_wait *pump_pass(lua_State *L, pump *p)
{
    write_request *q = &p->q;
    ssize_t n = 1;
    int i;
    if (!q->ls->s || q->ls->writers)
        return NULL;
    for (i = 0; i < PASSES && n > 0; i++) {
        n = rs_stream_pass(p->from->s, q->ls->s);
        p->bytes += n > 0 ? (lua_Integer)n : 0;
    }
    if (n == -EAGAIN) {
        join_queue(q);
        q->len = 0;
        int err = rs_stream_await_out(q->ls->s, &q->wait);
        if (err)
            write_fails(L, q, err);
        return &q->wait;
    }
    p->in = (rs_wait){.done = true};
    return n > 0 || i > 1 ? &p->in : NULL;
}

/* Nothing was read that isn't written. Gives what to wait for; NULL at the end. */
static rs_wait *pump_fill(lua_State *L, pump *p)
{
    check_reader(L, p->from->s);
    if (p->once && p->bytes > 0)
        return NULL;
    pump_widen(p);
    rs_wait *passed = pump_pass(L, p);
    if (passed)
        return passed;
    int err = rs_stream_fill(p->from->s, BATCH);
    if (rs_buf_len(rs_stream_input(p->from->s)) > 0) /* what has happened then comes again */
        err = 0;
    if (err == RS_EEOF)
        return NULL;
    if (err && err != -EAGAIN)
        raise(L, err, "can't read");
    if (err)
        (void)rs_stream_await_in(p->from->s, &p->in);
    if (err && !p->once)
        rs_stream_offer(p->from->s, &p->sink);
    if (!err)
        p->in = (rs_wait){.done = true};
    return &p->in;
}

static rs_wait *pump_step(lua_State *L, pump *p)
{
    write_request *q = &p->q;
    if (!p->from->s)
        write_fails(L, q, RS_ECLOSED);
    rs_buf *in = rs_stream_input(p->from->s);
    if (rs_buf_len(in) == 0 && q->queued) { /* it has waited for room for what it doesn't read */
        if (write_step(L, q))
            return &q->wait;
        leave_queue(q);
    }
    if (rs_buf_len(in) == 0)
        return pump_fill(L, p);
    if (!q->queued)
        join_queue(q);
    q->data = rs_buf_data(in);
    q->len = rs_buf_len(in);
    bool more = write_step(L, q);
    size_t n = rs_buf_len(in) - q->len;
    rs_buf_consume(in, n);
    p->bytes += (lua_Integer)n;
    if (more)
        return &q->wait;
    leave_queue(q);
    return pump_fill(L, p);
}

static int pump_on(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    pump *p = (pump *)ctx;
    rs_wait *w;
    while ((w = pump_step(L, p)))
        if (!rs_task_wait_here(L, w, -1))
            return rs_task_wait(L, w, ctx, pump_on);
    if (p->once && p->bytes == 0)
        lua_pushnil(L);
    else
        lua_pushinteger(L, p->bytes);
    return 1;
}

static int pump_start(lua_State *L, bool once)
{
    lstream *from = check_open(L, 1), *to = check_open(L, 2);
    rs_task_check(L);
    lua_settop(L, 2);
    pump *p = lua_newuserdatauv(L, sizeof *p, 0);
    *p = (pump){.from = from, .q.ls = to, .once = once, .sink = {sink_to, sink_took}};
    leave_at_end(L);
    p->in.done = true;
    return rs_task_wait(L, &p->in, (lua_KContext)p, pump_on);
}

/* stream:pump(to): copies until the end, in bounded memory; how many bytes. to stays open. */
static int l_pump(lua_State *L)
{
    return pump_start(L, false);
}

/* stream:pass(to): copies what has come, or waits for some; how many bytes, nil at the end. */
static int l_pass(lua_State *L)
{
    return pump_start(L, true);
}

/* stream:shutdown(): no more will be written; reading goes on. */
static int l_shutdown(lua_State *L)
{
    lstream *ls = check_open(L, 1);
    int err = rs_stream_shutdown(ls->s);
    if (err)
        return raise(L, err, "can't shut the stream down");
    return 0;
}

/* ---- life ---- */

static int l_close(lua_State *L)
{
    lstream *ls = check_stream(L, 1);
    rs_stream *s = ls->s;
    ls->s = NULL;
    if (s && ls->terminal)
        (void)rs_stream_write(s, RS_END_OF_INPUT, sizeof RS_END_OF_INPUT - 1);
    rs_stream_free(s);
    for (write_request *q = ls->writers; q; q = q->next)
        rs_wait_done(&q->wait, RS_ECLOSED);
    return 0;
}

void rs_lstream_close(lua_State *L, int i)
{
    i = lua_absindex(L, i);
    lua_pushcfunction(L, l_close);
    lua_pushvalue(L, i);
    lua_call(L, 1, 0);
}

/* ---- streams that nobody reads any more ---- */

typedef struct drain {
    struct drain *next, **at;
    rs_stream *s;
    rs_wait wait;
} drain;

static drain *drains;

static void drain_free(drain *d)
{
    *d->at = d->next;
    if (d->next)
        d->next->at = d->at;
    rs_stream_free(d->s);
    free(d);
}

static void drain_on(rs_wait *w)
{
    drain *d = w->waiter;
    int err;
    do {
        rs_buf_clear(rs_stream_input(d->s));
        err = rs_stream_fill(d->s, 1);
    } while (!err);
    if (err != -EAGAIN || rs_stream_await_in(d->s, &d->wait)) {
        drain_free(d);
        return;
    }
    d->wait.waiter = d;
    d->wait.wake = drain_on;
}

static void drain_start(rs_stream *s)
{
    drain *d = calloc(1, sizeof *d);
    if (!d) {
        rs_stream_free(s);
        return;
    }
    d->s = s;
    d->next = drains;
    d->at = &drains;
    if (drains)
        drains->at = &d->next;
    drains = d;
    d->wait.waiter = d;
    drain_on(&d->wait);
}

void rs_lstream_fini(void)
{
    while (drains) {
        rs_wait_abandon(&drains->wait);
        drain_free(drains);
    }
}

void rs_lstream_drain(lua_State *L, int i)
{
    check_stream(L, i)->drain = true;
}

void rs_lstream_is_terminal(lua_State *L, int i)
{
    check_stream(L, i)->terminal = true;
}

static int l_gc(lua_State *L)
{
    lstream *ls = check_stream(L, 1);
    if (!ls->s || !ls->drain)
        return l_close(L);
    drain_start(ls->s);
    ls->s = NULL;
    return 0;
}

rs_stream *rs_lstream_take(lua_State *L, int i)
{
    lstream *ls = check_open(L, i);
    rs_stream *s = ls->s;
    if (ls->writers || rs_stream_awaited_in(s))
        rs_error_raise(L, RS_EUSAGE, "another task uses this stream");
    ls->s = NULL;
    return s;
}

int rs_lstream_take_fd(lua_State *L, int i)
{
    lstream *ls = check_open(L, i);
    int fd = rs_stream_take_fd(ls->s);
    if (fd >= 0)
        ls->s = NULL;
    return fd;
}

static int l_tostring(lua_State *L)
{
    lua_pushstring(L, check_stream(L, 1)->s ? "stream" : "stream (closed)");
    return 1;
}

static const luaL_Reg methods[] = {
    {"read", l_read}, {"lines", l_lines},       {"write", l_write}, {"pump", l_pump},
    {"pass", l_pass}, {"shutdown", l_shutdown}, {"close", l_close}, {"__tostring", l_tostring},
    {"__gc", l_gc},   {"__close", l_close},     {NULL, NULL},
};

void rs_lstream_register(lua_State *L)
{
    rs_block_register(L);
    luaL_newmetatable(L, STREAM);
    luaL_setfuncs(L, methods, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
