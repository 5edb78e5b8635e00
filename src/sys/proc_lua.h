/* The parts of the Lua module proc. */
#ifndef RS_SYS_PROC_LUA_H
#define RS_SYS_PROC_LUA_H

#include <lua.h>

#include "loop/proc.h"

/* Pushes an array of {code=} or {signal="KILL"}, one a stage; false for a stage that still runs. */
void rs_proc_push_exits(lua_State *L, const rs_pgroup *g);

int rs_proc_run(lua_State *L);
int rs_proc_spawn(lua_State *L);
int rs_proc_which(lua_State *L);

/* How many runs were cancelled and still end their processes. */
int rs_proc_unattended(void);

/* Registers the class of what spawn returns. */
void rs_proc_handle_register(lua_State *L);

/* Ends every process that was dropped and still runs, unless it was started to be kept, and waits for that, seconds at most: for
 * the end of the program. What is left then is killed. */
void rs_proc_end_all(rs_loop *loop, double seconds);

#endif
