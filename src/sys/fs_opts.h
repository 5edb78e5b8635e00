/* Arguments of the functions of fs. */
#ifndef RS_SYS_FS_OPTS_H
#define RS_SYS_FS_OPTS_H

#include <lua.h>
#include <stdbool.h>
#include <time.h>

#include "sys/fs_mode.h"

/* A string without NUL; NULL when there is one in it, which is RS_EUSAGE and not a raised error: a name may come from
 * anywhere. Lives as long as the argument. */
const char *rs_fs_arg_path(lua_State *L, int arg);

/* A table or nothing. Raises for a key that isn't among names (ended by NULL), and tells the nearest. */
void rs_fs_opts_check(lua_State *L, int arg, const char *const names[]);

/* The value of an option, or what it is without; a value of another type raises. */
bool rs_fs_opt_flag(lua_State *L, int arg, const char *name, bool without);
lua_Integer rs_fs_opt_integer(lua_State *L, int arg, const char *name, lua_Integer min, lua_Integer without);
/* Left on the stack, so that it lives as long as the call. */
const char *rs_fs_opt_string(lua_State *L, int arg, const char *name);
/* A time in seconds; false without. */
bool rs_fs_opt_time(lua_State *L, int arg, const char *name, struct timespec *out);
/* False without. */
bool rs_fs_opt_mode(lua_State *L, int arg, rs_mode *out);
/* -1 without. */
int rs_fs_opt_umask(lua_State *L, int arg);

/* Mode bits, or a string as chmod takes it. umask as in rs_mode_parse. */
void rs_fs_arg_mode(lua_State *L, int arg, int umask, rs_mode *out);

#endif
