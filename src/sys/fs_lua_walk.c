/* Walkers as Lua objects. */
#include <errno.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "loop/job.h"
#include "loop/task_error.h"
#include "sys/fs_lua.h"
#include "sys/fs_opts.h"

static const char class[] = "rshell.Walker";

enum { BLOCK = 1000 };

/* A walker's state besides the walk. */
struct walker {
    rs_fs_walk *walk;
    size_t block;
    bool stat;
    bool over;
};

/* One block on its way. */
struct step {
    rs_fs_shared *shared;
    rs_fs_items items;
    int got;
};

static int free_walker(void *core)
{
    struct walker *w = core;
    rs_fs_walk_free(w->walk);
    free(w);
    return 0;
}

static void step_work(void *job)
{
    struct step *s = job;
    struct walker *w = s->shared->core;
    s->got = rs_fs_walk_next(w->walk, w->block, &s->items);
}

static void push_item(lua_State *L, const rs_fs_item *item, bool stat)
{
    lua_createtable(L, 0, 2 + stat);
    lua_pushstring(L, item->path);
    lua_setfield(L, -2, "path");
    lua_pushstring(L, item->type);
    lua_setfield(L, -2, "type");
    if (!stat)
        return;
    rs_fs_push_stat(L, &item->stat);
    lua_setfield(L, -2, "stat");
}

static void push_block(lua_State *L, const rs_fs_items *items, bool stat)
{
    lua_createtable(L, (int)items->n, 0);
    for (size_t i = 0; i < items->n; i++) {
        push_item(L, &items->items[i], stat);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

static int step_finish(lua_State *L, void *job)
{
    struct step *s = job;
    struct walker *w = s->shared->core;
    w->over = s->got <= 0;
    if (s->got < 0)
        return rs_error_edge(L, s->got);
    if (s->got == 0 && s->items.n == 0)
        lua_pushnil(L);
    else
        push_block(L, &s->items, w->stat);
    return 1;
}

static void step_drop(void *job)
{
    struct step *s = job;
    rs_fs_shared_drop(s->shared);
    rs_fs_items_fini(&s->items);
    free(s);
}

static const rs_job_class step_class = {step_work, step_finish, step_drop};

static int walker_next(lua_State *L)
{
    rs_fs_shared *shared = rs_fs_handle_get(L, 1, class);
    struct walker *w = shared->core;
    if (w->over) {
        lua_pushnil(L);
        return 1;
    }
    struct step *s = calloc(1, sizeof *s);
    if (!s)
        return luaL_error(L, "not enough memory");
    s->shared = shared;
    rs_fs_shared_hold(shared);
    return rs_job_run(L, &step_class, s);
}

static void set_string(lua_State *L, const char *name, const char *s)
{
    lua_pushstring(L, s);
    lua_setfield(L, -2, name);
}

static int walker_errors(lua_State *L)
{
    struct walker *w = rs_fs_handle_get(L, 1, class)->core;
    size_t n;
    const rs_fs_fail *errors = rs_fs_walk_errors(w->walk, &n);
    lua_createtable(L, (int)n, 0);
    for (size_t i = 0; i < n; i++) {
        lua_createtable(L, 0, 3);
        set_string(L, "path", errors[i].path);
        set_string(L, "text", rs_err_text(errors[i].err));
        set_string(L, "name", rs_err_name(errors[i].err));
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static int walker_close(lua_State *L)
{
    rs_fs_handle_close(L, 1, class);
    lua_pushboolean(L, true);
    return 1;
}

void rs_fs_register_walk(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"next", walker_next},  {"errors", walker_errors}, {"close", walker_close},
        {"__gc", walker_close}, {"__close", walker_close}, {NULL, NULL},
    };
    rs_fs_handle_register(L, class, methods);
}

/* other: the filter, data: which folders to enter, flag: without folders, flag2: with stat, n: depth, offset: block. */
static int work_open(rs_fs_call *c)
{
    const rs_fs_walk_opts o = {
        .filter = c->other, .enter = c->data, .no_folders = c->flag, .stat = c->flag2, .depth = (size_t)c->n};
    struct walker *w = calloc(1, sizeof *w);
    if (!w)
        return -ENOMEM;
    int err = rs_fs_walk_new(&w->walk, c->path, &o);
    if (err) {
        free(w);
        return err;
    }
    w->block = (size_t)c->offset;
    w->stat = c->flag2;
    c->core = w;
    return 0;
}

/* dirs: false leaves folders out, a pattern says which are entered. */
static void read_dirs(lua_State *L, int arg, rs_fs_call *c)
{
    if (!lua_istable(L, arg) || lua_getfield(L, arg, "dirs") == LUA_TNIL)
        return;
    if (lua_isboolean(L, -1))
        c->flag = !lua_toboolean(L, -1);
    else
        c->data = rs_fs_opt_string(L, arg, "dirs");
    c->len = c->data ? strlen(c->data) : 0;
}

static rs_fs_call walk_call(lua_State *L)
{
    static const char *const names[] = {"filter", "dirs", "depth", "stat", "block", NULL};
    rs_fs_call c = {.work = work_open, .push = rs_fs_push_handle, .free_core = free_walker, .class = class};
    c.path = rs_fs_arg_path(L, 1);
    rs_fs_opts_check(L, 2, names);
    c.other = rs_fs_opt_string(L, 2, "filter");
    c.flag2 = rs_fs_opt_flag(L, 2, "stat", false);
    c.n = (uint64_t)rs_fs_opt_integer(L, 2, "depth", 1, 0);
    c.offset = (uint64_t)rs_fs_opt_integer(L, 2, "block", 1, BLOCK);
    read_dirs(L, 2, &c);
    return c;
}

int rs_fs_lua_walk(lua_State *L)
{
    rs_fs_call c = walk_call(L);
    return rs_fs_call_run(L, &c);
}

/* The first block too; a walk that ends in it leaves no core, unless there are errors to tell. */
static int work_start(rs_fs_call *c)
{
    int err = work_open(c);
    if (err)
        return err;
    struct walker *w = c->core;
    size_t n_errors;
    int got = rs_fs_walk_next(w->walk, w->block, &c->items);
    rs_fs_walk_errors(w->walk, &n_errors);
    w->over = got <= 0;
    if (got < 0)
        return got;
    if (got == 0 && n_errors == 0) {
        free_walker(w);
        c->core = NULL;
    }
    return 0;
}

static int push_start(lua_State *L, rs_fs_call *c)
{
    push_block(L, &c->items, c->flag2);
    return c->core ? 1 + rs_fs_push_handle(L, c) : 1;
}

int rs_fs_lua_walk_start(lua_State *L)
{
    rs_fs_call c = walk_call(L);
    c.work = work_start;
    c.push = push_start;
    return rs_fs_call_run(L, &c);
}
