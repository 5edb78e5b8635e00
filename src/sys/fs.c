/* The Lua module fs. What is known or done by a call or two of the system runs here and now; what goes over data or entries,
 * or may ask the name service, runs on a worker while the task waits. */
#include <errno.h>
#include <lauxlib.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "loop/loop.h"
#include "loop/task_error.h"
#include "sys/fs_at.h"
#include "sys/fs_change.h"
#include "sys/fs_copy.h"
#include "sys/fs_data.h"
#include "sys/fs_glob.h"
#include "sys/fs_lua.h"
#include "sys/fs_move.h"
#include "sys/fs_opts.h"
#include "sys/fs_perm.h"
#include "sys/fs_remove.h"
#include "sys/sys.h"
#include "sys/users.h"
#include "wire/codec_bulk.h"

typedef rs_fs_call call;

static const char *const no_options[] = {NULL};
static const char *const stat_options[] = {"stat", NULL};

/* Asking */

/* Names of owners that were met in the last second: with them a stat needs no worker. The loop's thread only. */
static rs_fs_ids recent;
static uint64_t recent_until;

static void remember(const rs_fs_ids *ids)
{
    uint64_t now = rs_loop_now();
    if (now > recent_until) {
        rs_fs_ids_fini(&recent);
        recent_until = now + 1000000000u;
    }
    rs_fs_ids_add(&recent, ids);
}

static int push_stat(lua_State *L, call *c)
{
    remember(&c->items.ids);
    rs_fs_push_stat(L, &c->stat);
    return 1;
}

static int work_stat(call *c)
{
    return rs_fs_stat_path(&c->stat, c->path, c->flag, &c->items.ids);
}

static int stat_with(lua_State *L, bool follow)
{
    const char *path = rs_fs_arg_path(L, 1);
    rs_fs_stat s;
    if (path && rs_loop_now() <= recent_until) {
        int err = rs_fs_stat_path(&s, path, follow, NULL);
        if (err)
            return rs_error_edge(L, err);
        /* A link's text would be lost to an error of memory: that is for the worker. */
        if (!s.target && rs_fs_stat_name(&s, &recent)) {
            rs_fs_push_stat(L, &s);
            return 1;
        }
        rs_fs_stat_fini(&s);
    }
    return rs_fs_call_run(L, &(call){.work = work_stat, .push = push_stat, .path = path, .flag = follow});
}

static int fs_stat(lua_State *L)
{
    return stat_with(L, true);
}

static int fs_lstat(lua_State *L)
{
    return stat_with(L, false);
}

static int fs_type(lua_State *L)
{
    static const char *const names[] = {"follow", NULL};
    const char *path = rs_fs_arg_path(L, 1);
    rs_fs_opts_check(L, 2, names);
    rs_fs_stat s;
    int err = path ? rs_fs_stat_path(&s, path, rs_fs_opt_flag(L, 2, "follow", false), NULL) : RS_EUSAGE;
    if (err)
        return rs_error_edge(L, err);
    const char *type = rs_fs_type_name(s.st.st_mode);
    rs_fs_stat_fini(&s);
    lua_pushstring(L, type);
    return 1;
}

/* got: 1, 0 or an error. */
static int push_answer(lua_State *L, int got)
{
    if (got < 0)
        return rs_error_edge(L, got);
    lua_pushboolean(L, got);
    return 1;
}

static int fs_exists(lua_State *L)
{
    const char *path = rs_fs_arg_path(L, 1);
    rs_fs_stat s = {0};
    int err = path ? rs_fs_stat_path(&s, path, true, NULL) : RS_EUSAGE;
    rs_fs_stat_fini(&s);
    bool no = err == -ENOENT || err == -ENOTDIR || err == -ELOOP || err == -ENAMETOOLONG;
    return push_answer(L, err == 0 ? 1 : no ? 0 : err);
}

static int fs_access(lua_State *L)
{
    const char *path = rs_fs_arg_path(L, 1);
    int how = F_OK;
    for (const char *s = luaL_optstring(L, 2, "f"); *s; s++) {
        luaL_argcheck(L, strchr("rwxf", *s), 2, "letters of r, w, x and f");
        how |= *s == 'r' ? R_OK : *s == 'w' ? W_OK : *s == 'x' ? X_OK : 0;
    }
    return push_answer(L, path ? rs_fs_access(path, how) : RS_EUSAGE);
}

static int push_malloced(lua_State *L, call *c)
{
    lua_pushstring(L, c->stat.target);
    return 1;
}

static int fs_readlink(lua_State *L)
{
    const char *path = rs_fs_arg_path(L, 1);
    rs_fs_stat s;
    int err = path ? rs_fs_stat_path(&s, path, false, NULL) : RS_EUSAGE;
    if (!err && !s.target)
        err = -EINVAL;
    if (err)
        return rs_error_edge(L, err);
    /* The text of a link is shorter than 4096 bytes: a copy on the stack can't leak when pushing it raises. */
    char text[PATH_MAX];
    strncpy(text, s.target, sizeof text - 1);
    text[sizeof text - 1] = 0;
    rs_fs_stat_fini(&s);
    lua_pushstring(L, text);
    return 1;
}

static int work_resolve(call *c)
{
    return rs_fs_resolve(c->path, &c->stat.target);
}

static int fs_resolve(lua_State *L)
{
    return rs_fs_call_run(L, &(call){.work = work_resolve, .push = push_malloced, .path = rs_fs_arg_path(L, 1)});
}

static int fs_disk(lua_State *L)
{
    const char *path = rs_fs_arg_path(L, 1);
    rs_fs_disk d;
    int err = path ? rs_fs_disk_of(path, &d) : RS_EUSAGE;
    if (err)
        return rs_error_edge(L, err);
    lua_createtable(L, 0, 3);
    const struct {
        const char *name;
        double n;
    } fields[] = {{"total", d.total}, {"free", d.free}, {"available", d.available}};
    for (size_t i = 0; i < 3; i++) {
        lua_pushinteger(L, (lua_Integer)fields[i].n);
        lua_setfield(L, -2, fields[i].name);
    }
    return 1;
}

static int push_text(lua_State *L, call *c)
{
    lua_pushstring(L, c->text);
    return 1;
}

static int work_checksum(call *c)
{
    return rs_fs_checksum(c->path, c->digest, c->text);
}

static int fs_checksum(lua_State *L)
{
    const char *path = rs_fs_arg_path(L, 1);
    const rs_digest_class *digest = rs_digest_find(luaL_optstring(L, 2, "sha256"));
    luaL_argcheck(L, digest, 2, "a digest is md5, sha1, sha256, sha512 or xxh64");
    return rs_fs_call_run(L, &(call){.work = work_checksum, .push = push_text, .path = path, .digest = digest});
}

/* Listing */

static int push_items(lua_State *L, call *c)
{
    return rs_fs_push_items(L, &c->items, c->flag);
}

static int work_list(call *c)
{
    return rs_fs_list(c->path, c->flag, &c->items);
}

static int fs_list(lua_State *L)
{
    const char *path = rs_fs_arg_path(L, 1);
    rs_fs_opts_check(L, 2, stat_options);
    bool stat = rs_fs_opt_flag(L, 2, "stat", false);
    return rs_fs_call_run(L, &(call){.work = work_list, .push = push_items, .path = path, .flag = stat});
}

static int work_glob(call *c)
{
    return rs_fs_glob(c->path, c->other, c->flag, &c->items);
}

static int fs_glob(lua_State *L)
{
    const char *path = rs_fs_arg_path(L, 1), *pattern = rs_fs_arg_path(L, 2);
    rs_fs_opts_check(L, 3, stat_options);
    bool stat = rs_fs_opt_flag(L, 3, "stat", false);
    return rs_fs_call_run(
        L, &(call){
               .work = work_glob, .push = push_items, .path = path, .other = pattern, .has_other = true, .flag = stat});
}

static int fs_match(lua_State *L)
{
    const char *pattern = rs_fs_arg_path(L, 1), *path = rs_fs_arg_path(L, 2);
    rs_glob *g;
    int err = pattern && path ? rs_glob_new(&g, pattern) : RS_EUSAGE;
    if (err)
        return rs_error_edge(L, err);
    bool ok = rs_glob_match_path(g, path);
    rs_glob_free(g);
    lua_pushboolean(L, ok);
    return 1;
}

/* Data */

static int push_data(lua_State *L, call *c)
{
    rs_bulk_push(L, rs_buf_data(&c->buf), rs_buf_len(&c->buf));
    return 1;
}

static int work_read(call *c)
{
    return rs_fs_read(c->path, c->offset, c->n, &c->buf);
}

static int fs_read(lua_State *L)
{
    static const char *const names[] = {"n", "offset", NULL};
    const char *path = rs_fs_arg_path(L, 1);
    rs_fs_opts_check(L, 2, names);
    lua_Integer n = rs_fs_opt_integer(L, 2, "n", 0, -1), offset = rs_fs_opt_integer(L, 2, "offset", 0, 0);
    return rs_fs_call_run(L, &(call){.work = work_read,
                                     .push = push_data,
                                     .path = path,
                                     .n = n < 0 ? UINT64_MAX : (uint64_t)n,
                                     .offset = (uint64_t)offset});
}

static rs_fs_write_opts write_opts(const call *c)
{
    return (rs_fs_write_opts){.make = rs_fs_call_make(c), .in_place = !c->flag, .sync = c->flag2};
}

static int work_write(call *c)
{
    rs_fs_write_opts o = write_opts(c);
    return rs_fs_write(c->path, c->data, c->len, &o);
}

static int work_append(call *c)
{
    rs_fs_write_opts o = write_opts(c);
    return rs_fs_append(c->path, c->data, c->len, &o);
}

static int write_call(lua_State *L, int (*work)(call *), const char *const names[])
{
    call c = {.work = work, .path = rs_fs_arg_path(L, 1)};
    c.data = luaL_checklstring(L, 2, &c.len);
    rs_fs_opts_check(L, 3, names);
    c.has_mode = rs_fs_opt_mode(L, 3, &c.mode);
    c.umask = rs_fs_opt_umask(L, 3);
    c.flag = rs_fs_opt_flag(L, 3, "atomic", true);
    c.flag2 = rs_fs_opt_flag(L, 3, "sync", false);
    return rs_fs_call_run(L, &c);
}

static int fs_write(lua_State *L)
{
    static const char *const names[] = {"mode", "umask", "atomic", "sync", NULL};
    return write_call(L, work_write, names);
}

static int fs_append(lua_State *L)
{
    static const char *const names[] = {"mode", "umask", "sync", NULL};
    return write_call(L, work_append, names);
}

static int fs_touch(lua_State *L)
{
    static const char *const names[] = {"mtime", "mode", "umask", NULL};
    const char *path = rs_fs_arg_path(L, 1);
    struct timespec times[2];
    rs_mode mode;
    rs_fs_opts_check(L, 2, names);
    bool given = rs_fs_opt_time(L, 2, "mtime", &times[0]);
    times[1] = times[0];
    rs_fs_make make = {rs_fs_opt_mode(L, 2, &mode) ? &mode : NULL, rs_fs_opt_umask(L, 2)};
    return rs_fs_push_result(L, path ? rs_fs_touch(path, given ? times : NULL, &make) : RS_EUSAGE);
}

static int fs_truncate(lua_State *L)
{
    const char *path = rs_fs_arg_path(L, 1);
    lua_Integer size = luaL_optinteger(L, 2, 0);
    luaL_argcheck(L, size >= 0, 2, "must not be negative");
    return rs_fs_push_result(L, path ? rs_fs_truncate(path, (uint64_t)size) : RS_EUSAGE);
}

/* Changing */

static int fs_mkdir(lua_State *L)
{
    static const char *const names[] = {"parents", "mode", "exist_ok", "umask", NULL};
    const char *path = rs_fs_arg_path(L, 1);
    rs_mode mode;
    rs_fs_opts_check(L, 2, names);
    rs_fs_mkdir_opts o = {
        .make = {rs_fs_opt_mode(L, 2, &mode) ? &mode : NULL, rs_fs_opt_umask(L, 2)},
        .parents = rs_fs_opt_flag(L, 2, "parents", false),
        .exist_ok = rs_fs_opt_flag(L, 2, "exist_ok", false),
    };
    return rs_fs_push_result(L, path ? rs_fs_mkdir(path, &o) : RS_EUSAGE);
}

static int work_mktemp_dir(call *c)
{
    return rs_fs_mktemp_dir(c->other, c->path, &c->stat.target);
}

static int fs_mktemp_dir(lua_State *L)
{
    static const char *const names[] = {"dir", NULL};
    call c = {.work = work_mktemp_dir, .push = push_malloced};
    c.path = lua_isnoneornil(L, 1) ? "rshell-" : rs_fs_arg_path(L, 1);
    luaL_argcheck(L, !c.path || !strchr(c.path, '/'), 1, "a prefix has no slash");
    rs_fs_opts_check(L, 2, names);
    c.other = rs_fs_opt_string(L, 2, "dir");
    return rs_fs_call_run(L, &c);
}

static int fs_unlink(lua_State *L)
{
    const char *path = rs_fs_arg_path(L, 1);
    return rs_fs_push_result(L, path ? rs_fs_unlink(path) : RS_EUSAGE);
}

static int fs_rmdir(lua_State *L)
{
    const char *path = rs_fs_arg_path(L, 1);
    return rs_fs_push_result(L, path ? rs_fs_rmdir(path) : RS_EUSAGE);
}

static int work_remove(call *c)
{
    int err = rs_fs_remove(c->path, c->flag, &c->fail);
    if (err == -ENOENT && c->flag2 && !c->fail.path) {
        c->fail.err = 0;
        return 0;
    }
    return err;
}

static int fs_remove(lua_State *L)
{
    static const char *const names[] = {"recursive", "missing_ok", NULL};
    const char *path = rs_fs_arg_path(L, 1);
    rs_fs_opts_check(L, 2, names);
    bool recursive = rs_fs_opt_flag(L, 2, "recursive", false);
    bool missing_ok = rs_fs_opt_flag(L, 2, "missing_ok", false);
    return rs_fs_call_run(L, &(call){.work = work_remove, .path = path, .flag = recursive, .flag2 = missing_ok});
}

static int work_chmod(call *c)
{
    return rs_fs_chmod(c->path, &c->mode, c->flag, &c->fail);
}

static int fs_chmod(lua_State *L)
{
    static const char *const names[] = {"recursive", "umask", NULL};
    call c = {.work = work_chmod, .path = rs_fs_arg_path(L, 1)};
    rs_fs_opts_check(L, 3, names);
    c.flag = rs_fs_opt_flag(L, 3, "recursive", false);
    int umask = rs_fs_opt_umask(L, 3);
    bool text = lua_type(L, 2) == LUA_TSTRING;
    rs_fs_arg_mode(L, 2, umask < 0 && text ? rs_mode_umask() : umask, &c.mode);
    if (c.flag || !c.path)
        return rs_fs_call_run(L, &c);
    return rs_fs_push_result(L, rs_fs_chmod(c.path, &c.mode, false, &c.fail));
}

/* c->path, data: the user, other: the group; where both are missing the ids count. */
static int work_chown(call *c)
{
    int err = 0;
    if (c->data)
        err = rs_users_id(c->data, &c->uid);
    if (!err && c->other)
        err = rs_groups_id(c->other, &c->gid);
    return err ? err : rs_fs_chown(c->path, c->uid, c->gid, c->flag, c->flag2, &c->fail);
}

/* A name, which is returned, or a number into *id, or nil. */
static const char *arg_id(lua_State *L, int arg, unsigned *id)
{
    if (lua_type(L, arg) == LUA_TNUMBER) {
        lua_Integer n = luaL_checkinteger(L, arg);
        luaL_argcheck(L, n >= 0 && n < UINT_MAX, arg, "not an id");
        *id = (unsigned)n;
        return NULL;
    }
    return luaL_optstring(L, arg, NULL);
}

static int fs_chown(lua_State *L)
{
    static const char *const names[] = {"recursive", "follow", NULL};
    call c = {.work = work_chown, .path = rs_fs_arg_path(L, 1), .uid = (uid_t)-1, .gid = (gid_t)-1};
    c.data = arg_id(L, 2, &c.uid);
    c.len = c.data ? strlen(c.data) : 0;
    c.other = arg_id(L, 3, &c.gid);
    rs_fs_opts_check(L, 4, names);
    c.flag = rs_fs_opt_flag(L, 4, "recursive", false);
    c.flag2 = rs_fs_opt_flag(L, 4, "follow", true);
    return rs_fs_call_run(L, &c);
}

static int two_names(lua_State *L, int (*what)(const char *, const char *))
{
    const char *one = rs_fs_arg_path(L, 1), *two = rs_fs_arg_path(L, 2);
    rs_fs_opts_check(L, 3, no_options);
    return rs_fs_push_result(L, one && two ? what(one, two) : RS_EUSAGE);
}

static int fs_symlink(lua_State *L)
{
    return two_names(L, rs_fs_symlink);
}

static int fs_link(lua_State *L)
{
    return two_names(L, rs_fs_link);
}

static int fs_rename(lua_State *L)
{
    return two_names(L, rs_fs_rename);
}

/* Copying */

static int push_counts(lua_State *L, call *c)
{
    rs_fs_push_copied(L, &c->counts);
    return 1;
}

static int work_copy(call *c)
{
    return rs_fs_copy(c->path, c->other, c->flag, &c->counts, &c->fail);
}

static int fs_copy(lua_State *L)
{
    static const char *const names[] = {"override", NULL};
    call c = {.work = work_copy, .push = push_counts, .has_other = true};
    c.path = rs_fs_arg_path(L, 1);
    c.other = rs_fs_arg_path(L, 2);
    rs_fs_opts_check(L, 3, names);
    c.flag = rs_fs_opt_flag(L, 3, "override", false);
    return rs_fs_call_run(L, &c);
}

static int work_move(call *c)
{
    return rs_fs_move(c->path, c->other, &c->fail);
}

static int fs_move(lua_State *L)
{
    call c = {.work = work_move, .has_other = true};
    c.path = rs_fs_arg_path(L, 1);
    c.other = rs_fs_arg_path(L, 2);
    rs_fs_opts_check(L, 3, no_options);
    return rs_fs_call_run(L, &c);
}

int luaopen_rs_fs(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"stat", fs_stat},
        {"lstat", fs_lstat},
        {"type", fs_type},
        {"exists", fs_exists},
        {"access", fs_access},
        {"readlink", fs_readlink},
        {"resolve", fs_resolve},
        {"disk", fs_disk},
        {"checksum", fs_checksum},
        {"list", fs_list},
        {"glob", fs_glob},
        {"match", fs_match},
        {"walk", rs_fs_lua_walk},
        {"walk_start", rs_fs_lua_walk_start},
        {"read", fs_read},
        {"write", fs_write},
        {"append", fs_append},
        {"open", rs_fs_lua_open},
        {"touch", fs_touch},
        {"truncate", fs_truncate},
        {"mkdir", fs_mkdir},
        {"mktemp_dir", fs_mktemp_dir},
        {"unlink", fs_unlink},
        {"rmdir", fs_rmdir},
        {"remove", fs_remove},
        {"chmod", fs_chmod},
        {"chown", fs_chown},
        {"symlink", fs_symlink},
        {"link", fs_link},
        {"rename", fs_rename},
        {"copy", fs_copy},
        {"move", fs_move},
        {"tree_copier", rs_fs_lua_tree_copier},
        {NULL, NULL},
    };
    rs_fs_register_file(L);
    rs_fs_register_walk(L);
    rs_fs_register_copy(L);
    luaL_newlib(L, functions);
    return 1;
}
