/* Open files as Lua objects. */
#include <errno.h>
#include <lauxlib.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "loop/job.h"
#include "loop/task_error.h"
#include "sys/fs_file.h"
#include "sys/fs_lua.h"
#include "sys/fs_opts.h"
#include "wire/codec_bulk.h"

static const char class[] = "rshell.File";

/* What is done at once when the file is a regular one: a disk answers soon. */
enum { SMALL = 64 * 1024 };

/* One operation on an open file. */
struct op {
    void (*work)(struct op *op, rs_file *f);
    int (*push)(lua_State *L, struct op *op);
    rs_fs_shared *file;
    int err;
    rs_buf buf;
    char *data;
    uint64_t n;
    int64_t offset;
    bool chop; /* a line goes without its newline */
    bool all;  /* an empty result isn't the end of the file */
};

static void op_work(void *job)
{
    struct op *op = job;
    op->work(op, op->file->core);
}

static int op_finish(lua_State *L, void *job)
{
    struct op *op = job;
    if (op->err)
        return rs_error_edge(L, op->err);
    return op->push(L, op);
}

static void op_drop(void *job)
{
    struct op *op = job;
    rs_fs_shared_drop(op->file);
    rs_buf_fini(&op->buf);
    free(op->data);
    free(op);
}

static const rs_job_class op_class = {op_work, op_finish, op_drop};

static int op_run(lua_State *L, rs_fs_shared *file, const struct op *proto, const char *data)
{
    struct op *op = malloc(sizeof *op);
    char *copy = data ? malloc(proto->n + 1) : NULL;
    if (!op || (data && !copy)) {
        free(op);
        free(copy);
        return luaL_error(L, "not enough memory");
    }
    *op = *proto;
    if (data)
        memcpy(copy, data, proto->n);
    op->data = copy;
    op->file = file;
    rs_buf_init(&op->buf, 0);
    rs_fs_shared_hold(file);
    return rs_job_run(L, &op_class, op);
}

static int push_true(lua_State *L, struct op *op)
{
    (void)op;
    lua_pushboolean(L, true);
    return 1;
}

static int push_place(lua_State *L, struct op *op)
{
    lua_pushinteger(L, op->offset);
    return 1;
}

/* nil at the end of the file. */
static int push_read(lua_State *L, struct op *op)
{
    size_t n = rs_buf_len(&op->buf);
    const char *s = rs_buf_data(&op->buf);
    if (n == 0 && !op->all) {
        lua_pushnil(L);
        return 1;
    }
    rs_bulk_push(L, s, n - (op->chop && n > 0 && s[n - 1] == '\n'));
    return 1;
}

static void work_read(struct op *op, rs_file *f)
{
    op->err = rs_file_read(f, op->n, &op->buf);
}

static void work_line(struct op *op, rs_file *f)
{
    op->err = rs_file_read_line(f, &op->buf);
}

static int read_line(lua_State *L, rs_fs_shared *s, bool chop)
{
    size_t n;
    const char *line = rs_file_peek_line(s->core, &n);
    if (!line)
        return op_run(L, s, &(struct op){.work = work_line, .push = push_read, .chop = chop}, NULL);
    lua_pushlstring(L, line, n - chop);
    rs_file_skip(s->core, n);
    return 1;
}

/* read(n), or read of "l", "L" or "a". */
static int read_as(lua_State *L, rs_fs_shared *s, int arg)
{
    struct op op = {.work = work_read, .push = push_read};
    if (lua_type(L, arg) == LUA_TNUMBER) {
        lua_Integer n = luaL_checkinteger(L, arg);
        luaL_argcheck(L, n >= 0, arg, "must not be negative");
        op.n = (uint64_t)n;
        op.all = n == 0;
        return op_run(L, s, &op, NULL);
    }
    static const char *const formats[] = {"l", "L", "a", "*l", "*L", "*a", NULL};
    int format = luaL_checkoption(L, arg, "l", formats) % 3;
    if (format < 2)
        return read_line(L, s, format == 0);
    op.n = UINT64_MAX;
    op.all = true;
    return op_run(L, s, &op, NULL);
}

static int file_read(lua_State *L)
{
    return read_as(L, rs_fs_handle_get(L, 1, class), 2);
}

/* Upvalues: the file, the format. */
static int next_line(lua_State *L)
{
    lua_settop(L, 0);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushvalue(L, lua_upvalueindex(2));
    return read_as(L, rs_fs_handle_get(L, 1, class), 2);
}

static int file_lines(lua_State *L)
{
    rs_fs_handle_get(L, 1, class);
    lua_settop(L, 2);
    lua_pushcclosure(L, next_line, 2);
    return 1;
}

static void work_write(struct op *op, rs_file *f)
{
    op->err = rs_file_write(f, op->data, (size_t)op->n);
}

static int file_write(lua_State *L)
{
    rs_fs_shared *s = rs_fs_handle_get(L, 1, class);
    size_t n;
    const char *data = luaL_checklstring(L, 2, &n);
    if (n <= SMALL && rs_file_is_regular(s->core))
        return rs_fs_push_result(L, rs_file_write(s->core, data, n));
    return op_run(L, s, &(struct op){.work = work_write, .push = push_true, .n = n}, data);
}

static int file_seek(lua_State *L)
{
    static const char *const names[] = {"set", "cur", "end", NULL};
    static const int whence[] = {SEEK_SET, SEEK_CUR, SEEK_END};
    rs_fs_shared *s = rs_fs_handle_get(L, 1, class);
    int64_t at;
    int err = rs_file_seek(s->core, whence[luaL_checkoption(L, 2, "cur", names)], luaL_optinteger(L, 3, 0), &at);
    if (err)
        return rs_error_edge(L, err);
    return push_place(L, &(struct op){.offset = at});
}

static int file_truncate(lua_State *L)
{
    rs_fs_shared *s = rs_fs_handle_get(L, 1, class);
    lua_Integer n = luaL_optinteger(L, 2, 0);
    luaL_argcheck(L, n >= 0, 2, "must not be negative");
    return rs_fs_push_result(L, rs_file_truncate(s->core, (uint64_t)n));
}

static void work_sync(struct op *op, rs_file *f)
{
    op->err = rs_file_sync(f);
}

static int file_sync(lua_State *L)
{
    rs_fs_shared *s = rs_fs_handle_get(L, 1, class);
    return op_run(L, s, &(struct op){.work = work_sync, .push = push_true}, NULL);
}

static int file_close(lua_State *L)
{
    return rs_fs_push_result(L, rs_fs_handle_close(L, 1, class));
}

static int file_gc(lua_State *L)
{
    rs_fs_handle_close(L, 1, class);
    return 0;
}

static int file_tostring(lua_State *L)
{
    if (rs_fs_handle_is_open(L, 1, class))
        lua_pushfstring(L, "file (%p)", lua_touserdata(L, 1));
    else
        lua_pushliteral(L, "file (closed)");
    return 1;
}

void rs_fs_register_file(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"read", file_read},         {"lines", file_lines},         {"write", file_write}, {"seek", file_seek},
        {"truncate", file_truncate}, {"sync", file_sync},           {"close", file_close}, {"__gc", file_gc},
        {"__close", file_gc},        {"__tostring", file_tostring}, {NULL, NULL},
    };
    rs_fs_handle_register(L, class, methods);
}

/* A worker opens: a fifo waits for its other end. */

static int free_file(void *core)
{
    return rs_file_free(core);
}

/* other: the mode as of fopen. */
static int work_open(rs_fs_call *c)
{
    rs_file *f;
    rs_fs_make make = rs_fs_call_make(c);
    int err = rs_file_open(&f, c->path, c->other, &make);
    if (!err)
        c->core = f;
    return err;
}

int rs_fs_lua_open(lua_State *L)
{
    static const char *const names[] = {"mode", "umask", NULL};
    rs_fs_call c = {.work = work_open, .push = rs_fs_push_handle, .free_core = free_file, .class = class};
    c.path = rs_fs_arg_path(L, 1);
    c.other = luaL_optstring(L, 2, "r");
    luaL_argcheck(L, rs_file_is_mode(c.other), 2, "a mode is r, w, a or x, then + and b as you like");
    rs_fs_opts_check(L, 3, names);
    c.has_mode = rs_fs_opt_mode(L, 3, &c.mode);
    c.umask = rs_fs_opt_umask(L, 3);
    return rs_fs_call_run(L, &c);
}
