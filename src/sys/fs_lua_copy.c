/* Copiers of trees as Lua objects. */
#include <errno.h>
#include <lauxlib.h>
#include <stdlib.h>

#include "loop/job.h"
#include "sys/fs_lua.h"
#include "sys/fs_opts.h"

static const char class[] = "rshell.Copier";

enum { STEP_MS = 100 };

/* A copier and where it stands, for Lua. */
struct copying {
    rs_fs_copier *copier;
    rs_fs_copied n;
    bool done;
};

struct step {
    rs_fs_shared *shared;
    rs_fs_fail fail;
    int got;
};

static int free_copying(void *core)
{
    struct copying *c = core;
    rs_fs_copier_free(c->copier);
    free(c);
    return 0;
}

static void step_work(void *job)
{
    struct step *s = job;
    struct copying *c = s->shared->core;
    s->got = rs_fs_copier_step(c->copier, STEP_MS, &s->fail);
}

static int push_state(lua_State *L, const struct copying *c)
{
    rs_fs_push_copied(L, &c->n);
    lua_pushboolean(L, c->done);
    lua_setfield(L, -2, "done");
    return 1;
}

static int step_finish(lua_State *L, void *job)
{
    struct step *s = job;
    struct copying *c = s->shared->core;
    c->done = s->got <= 0;
    c->n = *rs_fs_copier_counts(c->copier);
    if (s->got < 0)
        return rs_fs_push_fail(L, &s->fail);
    return push_state(L, c);
}

static void step_drop(void *job)
{
    struct step *s = job;
    rs_fs_fail_fini(&s->fail);
    rs_fs_shared_drop(s->shared);
    free(s);
}

static const rs_job_class step_class = {step_work, step_finish, step_drop};

static int copier_next(lua_State *L)
{
    rs_fs_shared *shared = rs_fs_handle_get(L, 1, class);
    struct copying *c = shared->core;
    if (c->done)
        return push_state(L, c);
    struct step *s = calloc(1, sizeof *s);
    if (!s)
        return luaL_error(L, "not enough memory");
    s->shared = shared;
    rs_fs_shared_hold(shared);
    return rs_job_run(L, &step_class, s);
}

static int copier_close(lua_State *L)
{
    rs_fs_handle_close(L, 1, class);
    lua_pushboolean(L, true);
    return 1;
}

void rs_fs_register_copy(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"next", copier_next}, {"close", copier_close}, {"__gc", copier_close}, {"__close", copier_close}, {NULL, NULL},
    };
    rs_fs_handle_register(L, class, methods);
}

/* flag: checksum, flag2: delete, flag3: preserve. */
static int work_open(rs_fs_call *call)
{
    const rs_fs_copy_opts o = {.sync = true, .checksum = call->flag, .delete = call->flag2, .preserve = call->flag3};
    struct copying *c = calloc(1, sizeof *c);
    int err = c ? rs_fs_copier_new(&c->copier, call->path, call->other, &o, &call->fail) : -ENOMEM;
    if (err) {
        free(c);
        return err;
    }
    call->core = c;
    return 0;
}

int rs_fs_lua_tree_copier(lua_State *L)
{
    static const char *const names[] = {"checksum", "delete", "preserve", NULL};
    rs_fs_call c = {.work = work_open, .push = rs_fs_push_handle, .free_core = free_copying, .class = class};
    c.path = rs_fs_arg_path(L, 1);
    c.other = rs_fs_arg_path(L, 2);
    c.has_other = true;
    rs_fs_opts_check(L, 3, names);
    c.flag = rs_fs_opt_flag(L, 3, "checksum", false);
    c.flag2 = rs_fs_opt_flag(L, 3, "delete", false);
    c.flag3 = rs_fs_opt_flag(L, 3, "preserve", true);
    return rs_fs_call_run(L, &c);
}
