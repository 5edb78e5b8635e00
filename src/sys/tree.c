/* The Lua module tree: what copies between machines are made of (tree_list.h, tree_pack.h, tree_unpack.h).
 *
 *     list(path [, {names=, only=, follow=, xattrs=, acls=, owners=, digest=}]) -> bytes
 *     packer(path, names) -> p                             p:next() -> block (block.h); nil at the end
 *     unpacker(path, plan [, {follow=, umask=}]) -> u      u:write(block or bytes), u:finish() -> true
 *                                                          u:missing() -> the places of files that haven't come, from 1 on
 *
 * All of them wait, and give nil, text, NAME and perhaps a path for what fails. */
#include <errno.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "loop/job.h"
#include "loop/task_error.h"
#include "sys/block.h"
#include "sys/fs_lua.h"
#include "sys/fs_opts.h"
#include "sys/sys.h"
#include "sys/tree_attr.h"
#include "sys/tree_list.h"
#include "sys/tree_pack.h"
#include "sys/tree_unpack.h"

#define PACKER "rshell.Packer"
#define UNPACKER "rshell.Unpacker"

enum { BLOCK = 8 * (32 * 1024 - 12) };

static rs_tree_bytes data_of(const rs_fs_call *c)
{
    return (rs_tree_bytes){c->data, c->data + c->len};
}

/* ---- list ---- */

/* flag: only, flag2: follow, flag3: owners, n: kinds of attributes */
static int work_list(rs_fs_call *c)
{
    const rs_tree_list_opts o = {
        .names = data_of(c),
        .only_names = c->flag,
        .follow = c->flag2,
        .attributes = (unsigned)c->n,
        .owners = c->flag3,
        .digest = c->digest,
    };
    return rs_tree_list(c->path, &o, &c->buf, &c->fail);
}

static int push_list(lua_State *L, rs_fs_call *c)
{
    lua_pushlstring(L, rs_buf_data(&c->buf), rs_buf_len(&c->buf));
    return 1;
}

static int tree_list(lua_State *L)
{
    static const char *const names[] = {"names", "only", "follow", "xattrs", "acls", "owners", "digest", NULL};
    rs_fs_call c = {.work = work_list, .push = push_list, .path = rs_fs_arg_path(L, 1), .data = ""};
    rs_fs_opts_check(L, 2, names);
    c.flag = rs_fs_opt_flag(L, 2, "only", false);
    c.flag2 = rs_fs_opt_flag(L, 2, "follow", false);
    c.flag3 = rs_fs_opt_flag(L, 2, "owners", false);
    c.n = (rs_fs_opt_flag(L, 2, "xattrs", false) ? RS_TREE_XATTRS : 0) |
          (rs_fs_opt_flag(L, 2, "acls", false) ? RS_TREE_ACLS : 0);
    const char *digest = rs_fs_opt_string(L, 2, "digest");
    c.digest = digest ? rs_digest_find(digest) : NULL;
    luaL_argcheck(L, !digest || c.digest, 2, "no such digest");
    if (lua_istable(L, 2) && lua_getfield(L, 2, "names") != LUA_TNIL)
        c.data = luaL_checklstring(L, -1, &c.len);
    return rs_fs_call_run(L, &c);
}

/* ---- what is done piece by piece ---- */

typedef struct piece {
    rs_fs_shared *shared;
    int (*work)(struct piece *p);
    int (*push)(lua_State *L, struct piece *p);
    rs_buf bytes; /* that it works on, or has made */
    rs_fs_fail fail;
    int got;
} piece;

static void piece_work(void *job)
{
    piece *p = job;
    p->got = p->work(p);
    if (p->got < 0)
        rs_fs_fail_note(&p->fail, p->got, NULL);
}

static int piece_finish(lua_State *L, void *job)
{
    piece *p = job;
    return p->got < 0 ? rs_fs_push_fail(L, &p->fail) : p->push(L, p);
}

static void piece_drop(void *job)
{
    piece *p = job;
    rs_fs_shared_drop(p->shared);
    rs_fs_fail_fini(&p->fail);
    rs_block_put(&p->bytes);
    free(p);
}

static const rs_job_class piece_class = {piece_work, piece_finish, piece_drop};

/* bytes, where there are any, are taken. */
static int piece_run(lua_State *L, const char *class, const piece *proto, rs_buf *bytes)
{
    rs_fs_shared *shared = rs_fs_handle_get(L, 1, class);
    piece *p = malloc(sizeof *p);
    if (!p)
        return luaL_error(L, "not enough memory");
    *p = *proto;
    p->shared = shared;
    if (bytes) {
        rs_buf_init(&p->bytes, 0);
        rs_buf_swap(&p->bytes, bytes);
    } else {
        rs_block_get(&p->bytes);
    }
    rs_fs_shared_hold(shared);
    return rs_job_run(L, &piece_class, p);
}

/* ---- packers ---- */

static int free_packer(void *core)
{
    rs_tree_pack_free(core);
    return 0;
}

static int work_packer(rs_fs_call *c)
{
    rs_tree_pack *p;
    int err = rs_tree_pack_new(&p, c->path, data_of(c));
    if (!err)
        c->core = p;
    return err;
}

static int tree_packer(lua_State *L)
{
    rs_fs_call c = {.work = work_packer, .push = rs_fs_push_handle, .free_core = free_packer, .class = PACKER};
    c.path = rs_fs_arg_path(L, 1);
    c.data = luaL_checklstring(L, 2, &c.len);
    return rs_fs_call_run(L, &c);
}

static int work_next(piece *p)
{
    return rs_tree_pack_step(p->shared->core, BLOCK, &p->bytes);
}

static int push_next(lua_State *L, piece *p)
{
    if (rs_buf_len(&p->bytes) == 0)
        lua_pushnil(L);
    else
        rs_buf_swap(&p->bytes, rs_block_push(L));
    return 1;
}

static int packer_next(lua_State *L)
{
    return piece_run(L, PACKER, &(piece){.work = work_next, .push = push_next}, NULL);
}

static int packer_close(lua_State *L)
{
    rs_fs_handle_close(L, 1, PACKER);
    rs_block_trim();
    return 0;
}

/* ---- unpackers ---- */

static int free_unpacker(void *core)
{
    rs_tree_unpack_free(core);
    return 0;
}

/* flag: follow */
static int work_unpacker(rs_fs_call *c)
{
    rs_tree_unpack *u;
    const rs_tree_unpack_opts o = {.follow = c->flag, .umask = c->umask};
    int err = rs_tree_unpack_new(&u, c->path, data_of(c), &o, &c->fail);
    if (!err)
        c->core = u;
    return err;
}

static int tree_unpacker(lua_State *L)
{
    static const char *const names[] = {"follow", "umask", NULL};
    rs_fs_call c = {.work = work_unpacker, .push = rs_fs_push_handle, .free_core = free_unpacker, .class = UNPACKER};
    c.path = rs_fs_arg_path(L, 1);
    c.data = luaL_checklstring(L, 2, &c.len);
    rs_fs_opts_check(L, 3, names);
    c.flag = rs_fs_opt_flag(L, 3, "follow", false);
    c.umask = rs_fs_opt_umask(L, 3);
    return rs_fs_call_run(L, &c);
}

static int work_write(piece *p)
{
    return rs_tree_unpack_feed(p->shared->core, rs_buf_data(&p->bytes), rs_buf_len(&p->bytes), &p->fail);
}

static int work_finish(piece *p)
{
    return rs_tree_unpack_finish(p->shared->core, &p->fail);
}

static int push_done(lua_State *L, piece *p)
{
    (void)p;
    lua_pushboolean(L, true);
    return 1;
}

static int unpacker_write(lua_State *L)
{
    rs_buf *block = rs_block_test(L, 2);
    if (!block) {
        size_t n;
        const char *bytes = luaL_checklstring(L, 2, &n);
        block = rs_block_push(L);
        if (rs_buf_add(block, bytes, n))
            return luaL_error(L, "not enough memory");
    }
    return piece_run(L, UNPACKER, &(piece){.work = work_write, .push = push_done}, block);
}

static int unpacker_finish(lua_State *L)
{
    return piece_run(L, UNPACKER, &(piece){.work = work_finish, .push = push_done}, NULL);
}

static int unpacker_missing(lua_State *L)
{
    rs_tree_unpack *u = rs_fs_handle_get(L, 1, UNPACKER)->core;
    bool come;
    lua_Integer n = 0;
    lua_newtable(L);
    for (uint64_t i = 0; rs_tree_unpack_has(u, i, &come); i++) {
        if (come)
            continue;
        lua_pushinteger(L, (lua_Integer)i + 1);
        lua_rawseti(L, -2, ++n);
    }
    return 1;
}

static int unpacker_close(lua_State *L)
{
    rs_fs_handle_close(L, 1, UNPACKER);
    rs_block_trim();
    return 0;
}

int luaopen_rs_tree(lua_State *L)
{
    static const luaL_Reg packer[] = {
        {"next", packer_next}, {"close", packer_close}, {"__gc", packer_close}, {"__close", packer_close}, {NULL, NULL},
    };
    static const luaL_Reg unpacker[] = {
        {"write", unpacker_write},
        {"finish", unpacker_finish},
        {"missing", unpacker_missing},
        {"close", unpacker_close},
        {"__gc", unpacker_close},
        {"__close", unpacker_close},
        {NULL, NULL},
    };
    static const luaL_Reg functions[] = {
        {"list", tree_list},
        {"packer", tree_packer},
        {"unpacker", tree_unpacker},
        {NULL, NULL},
    };
    rs_block_register(L);
    rs_fs_handle_register(L, PACKER, packer);
    rs_fs_handle_register(L, UNPACKER, unpacker);
    luaL_newlib(L, functions);
    return 1;
}
