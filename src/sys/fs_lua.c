#include "sys/fs_lua.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "loop/job.h"
#include "loop/task_error.h"

/* Calls */

static void call_work(void *job)
{
    rs_fs_call *c = job;
    int err = c->work(c);
    if (err)
        rs_fs_fail_note(&c->fail, err, NULL);
}

static int call_finish(lua_State *L, void *job)
{
    rs_fs_call *c = job;
    if (c->fail.err)
        return rs_fs_push_fail(L, &c->fail);
    if (c->push)
        return c->push(L, c);
    lua_pushboolean(L, true);
    return 1;
}

static void call_drop(void *job)
{
    rs_fs_call *c = job;
    free((char *)c->path);
    free((char *)c->other);
    free((char *)c->data);
    rs_fs_fail_fini(&c->fail);
    rs_buf_fini(&c->buf);
    rs_fs_stat_fini(&c->stat);
    rs_fs_items_fini(&c->items);
    if (c->core)
        c->free_core(c->core);
    free(c);
}

static const rs_job_class call_class = {call_work, call_finish, call_drop};

/* A copy of n bytes, and of none as of some. */
static char *copy_bytes(const char *s, size_t n)
{
    char *copy = malloc(n + 1);
    if (copy) {
        memcpy(copy, s, n);
        copy[n] = 0;
    }
    return copy;
}

static rs_fs_call *call_copy(const rs_fs_call *proto)
{
    rs_fs_call *c = malloc(sizeof *c);
    if (!c)
        return NULL;
    *c = *proto;
    c->path = strdup(proto->path);
    c->other = proto->other ? strdup(proto->other) : NULL;
    c->data = proto->data ? copy_bytes(proto->data, proto->len) : NULL;
    rs_buf_init(&c->buf, 0);
    if (c->path && !c->other == !proto->other && !c->data == !proto->data)
        return c;
    call_drop(c);
    return NULL;
}

int rs_fs_call_run(lua_State *L, const rs_fs_call *c)
{
    if (!c->path || (c->has_other && !c->other))
        return rs_error_edge(L, RS_EUSAGE);
    rs_fs_call *copy = call_copy(c);
    if (!copy)
        return luaL_error(L, "not enough memory");
    return rs_job_run(L, &call_class, copy);
}

rs_fs_make rs_fs_call_make(const rs_fs_call *c)
{
    return (rs_fs_make){c->has_mode ? &c->mode : NULL, c->umask};
}

/* Results */

int rs_fs_push_result(lua_State *L, int err)
{
    if (err)
        return rs_error_edge(L, err);
    lua_pushboolean(L, true);
    return 1;
}

int rs_fs_push_fail(lua_State *L, const rs_fs_fail *fail)
{
    int n = rs_error_edge(L, fail->err);
    if (!fail->path)
        return n;
    lua_pushstring(L, fail->path);
    return n + 1;
}

static void set_integer(lua_State *L, const char *name, lua_Integer n)
{
    lua_pushinteger(L, n);
    lua_setfield(L, -2, name);
}

static void set_time(lua_State *L, const char *name, const struct timespec *t)
{
    lua_pushnumber(L, (double)t->tv_sec + (double)t->tv_nsec / 1e9);
    lua_setfield(L, -2, name);
}

static void set_string(lua_State *L, const char *name, const char *s)
{
    if (!s)
        return;
    lua_pushstring(L, s);
    lua_setfield(L, -2, name);
}

void rs_fs_push_stat(lua_State *L, const rs_fs_stat *s)
{
    lua_createtable(L, 0, 16);
    set_integer(L, "size", s->st.st_size);
    set_integer(L, "mode", s->st.st_mode & 07777);
    set_string(L, "type", rs_fs_type_name(s->st.st_mode));
    set_integer(L, "uid", s->st.st_uid);
    set_integer(L, "gid", s->st.st_gid);
    set_string(L, "owner", s->owner);
    set_string(L, "group", s->group);
    set_time(L, "mtime", &s->st.st_mtim);
    set_time(L, "atime", &s->st.st_atim);
    set_time(L, "ctime", &s->st.st_ctim);
    set_integer(L, "ino", (lua_Integer)s->st.st_ino);
    set_integer(L, "nlink", (lua_Integer)s->st.st_nlink);
    set_integer(L, "dev", (lua_Integer)s->st.st_dev);
    set_string(L, "target", s->target);
}

int rs_fs_push_items(lua_State *L, const rs_fs_items *items, bool stat)
{
    int n = (int)items->n;
    lua_createtable(L, n, 0);
    for (int i = 0; i < n; i++) {
        lua_pushstring(L, items->items[i].path);
        lua_rawseti(L, -2, i + 1);
    }
    if (!stat)
        return 1;
    lua_createtable(L, n, 0);
    for (int i = 0; i < n; i++) {
        rs_fs_push_stat(L, &items->items[i].stat);
        lua_rawseti(L, -2, i + 1);
    }
    return 2;
}

void rs_fs_push_copied(lua_State *L, const rs_fs_copied *n)
{
    lua_createtable(L, 0, 4);
    set_integer(L, "files", (lua_Integer)n->files);
    set_integer(L, "bytes", (lua_Integer)n->bytes);
    set_integer(L, "skipped", (lua_Integer)n->skipped);
    set_integer(L, "deleted", (lua_Integer)n->deleted);
}

/* Handles: a userdata holds one pointer, NULL while it is closed. */

void rs_fs_shared_hold(rs_fs_shared *s)
{
    s->holders++;
    s->busy = true;
}

static int let_go(rs_fs_shared *s)
{
    if (--s->holders > 0)
        return 0;
    int err = s->free_core(s->core);
    free(s);
    return err;
}

void rs_fs_shared_drop(rs_fs_shared *s)
{
    s->busy = false;
    let_go(s);
}

void rs_fs_handle_register(lua_State *L, const char *class, const luaL_Reg *methods)
{
    if (luaL_newmetatable(L, class)) {
        luaL_setfuncs(L, methods, 0);
        lua_pushvalue(L, -1);
        lua_setfield(L, -2, "__index");
        lua_pushboolean(L, false);
        lua_setfield(L, -2, "__metatable");
    }
    lua_pop(L, 1);
}

int rs_fs_push_handle(lua_State *L, rs_fs_call *c)
{
    rs_fs_shared **u = lua_newuserdatauv(L, sizeof *u, 0);
    *u = NULL;
    luaL_setmetatable(L, c->class);
    *u = malloc(sizeof **u);
    if (!*u)
        return luaL_error(L, "not enough memory");
    **u = (rs_fs_shared){.core = c->core, .free_core = c->free_core, .holders = 1};
    c->core = NULL;
    return 1;
}

bool rs_fs_handle_is_open(lua_State *L, int arg, const char *class)
{
    rs_fs_shared **u = luaL_checkudata(L, arg, class);
    return *u;
}

rs_fs_shared *rs_fs_handle_get(lua_State *L, int arg, const char *class)
{
    rs_fs_shared **u = luaL_checkudata(L, arg, class), *s = *u;
    if (!s)
        rs_error_raise(L, RS_ECLOSED, NULL);
    else if (s->busy)
        rs_error_raise(L, RS_EUSAGE, "another task is using it");
    return s;
}

int rs_fs_handle_close(lua_State *L, int arg, const char *class)
{
    rs_fs_shared **u = luaL_checkudata(L, arg, class), *s = *u;
    *u = NULL;
    return s ? let_go(s) : 0;
}
