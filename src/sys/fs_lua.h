/* What the files of the Lua module fs share: calls that run as jobs, and results. */
#ifndef RS_SYS_FS_LUA_H
#define RS_SYS_FS_LUA_H

#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "sys/fs_attr.h"
#include "sys/fs_checksum.h"
#include "sys/fs_copy.h"
#include "sys/fs_fail.h"
#include "sys/fs_list.h"

/* One call on its way through a worker. A binding fills one on its C stack, with strings that are Lua's; rs_fs_call copies it
 * and them. */
typedef struct rs_fs_call rs_fs_call;
struct rs_fs_call {
    int (*work)(rs_fs_call *c);               /* on a worker; a negative error, also in fail with its path */
    int (*push)(lua_State *L, rs_fs_call *c); /* the results; NULL: true */
    const char *path, *other;
    const char *data;
    size_t len;
    bool has_other; /* `other` is a path too, so NULL means NUL in it */

    rs_mode mode;
    bool has_mode;
    int umask;
    bool flag, flag2, flag3; /* the function's */
    uint64_t n, offset;
    struct timespec times[2];
    uid_t uid;
    gid_t gid;
    const rs_digest_class *digest;

    rs_fs_fail fail;
    rs_buf buf;
    rs_fs_items items;
    rs_fs_stat stat;
    char text[2 * RS_DIGEST_MAX + 1];
    rs_fs_copied counts;

    void *core; /* what a handle of `class` will hold (rs_fs_push_handle) */
    int (*free_core)(void *core);
    const char *class;
};

/* `return rs_fs_call_run(L, &c)`. Waits. */
int rs_fs_call_run(lua_State *L, const rs_fs_call *c);
/* How it makes something new. */
rs_fs_make rs_fs_call_make(const rs_fs_call *c);

/* true, or nil, text, NAME. */
int rs_fs_push_result(lua_State *L, int err);
/* nil, text, NAME, and the path where it isn't the one that was given. */
int rs_fs_push_fail(lua_State *L, const rs_fs_fail *fail);

/* A table. */
void rs_fs_push_stat(lua_State *L, const rs_fs_stat *s);
/* Results of list and glob: the paths, and with stat the tables. */
int rs_fs_push_items(lua_State *L, const rs_fs_items *items, bool stat);
/* A table. */
void rs_fs_push_copied(lua_State *L, const rs_fs_copied *n);

/* Something that jobs work on while Lua has a handle of it: freed when both have let go. */
typedef struct rs_fs_shared {
    void *core;
    int (*free_core)(void *core);
    int holders;
    bool busy;
} rs_fs_shared;

/* Registers a class; __gc and __close are in methods. */
void rs_fs_handle_register(lua_State *L, const char *class, const luaL_Reg *methods);
/* The push of a call that opens something. */
int rs_fs_push_handle(lua_State *L, rs_fs_call *c);
/* Raises when it is closed, or when another task is using it. */
rs_fs_shared *rs_fs_handle_get(lua_State *L, int arg, const char *class);
bool rs_fs_handle_is_open(lua_State *L, int arg, const char *class);
/* For __gc, __close and close: what free_core said; 0 when it was closed, or when a job will free it. */
int rs_fs_handle_close(lua_State *L, int arg, const char *class);
/* A job's hold. */
void rs_fs_shared_hold(rs_fs_shared *s);
void rs_fs_shared_drop(rs_fs_shared *s);

/* Registers the classes of open files, and of walkers and copiers. */
void rs_fs_register_file(lua_State *L);
void rs_fs_register_walk(lua_State *L);
void rs_fs_register_copy(lua_State *L);

int rs_fs_lua_open(lua_State *L);
int rs_fs_lua_walk(lua_State *L);
int rs_fs_lua_walk_start(lua_State *L);
int rs_fs_lua_tree_copier(lua_State *L);

#endif
