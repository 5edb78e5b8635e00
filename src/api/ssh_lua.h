/* The parts of the Lua module rshell.ssh.raw. */
#ifndef RS_API_SSH_LUA_H
#define RS_API_SSH_LUA_H

#include <lua.h>

#include "ssh/session.h"

/* The session at index i; raises when it was closed. */
rs_ssh *rs_lssh_check(lua_State *L, int i);

/* Pushes nil, text, NAME, with libssh's own words where it has some for the session at index i. */
int rs_lssh_fail(lua_State *L, int i, int err);

/* session:listen(host, port) */
int rs_lforward_listen(lua_State *L);

/* Registers the class of what it returns. */
void rs_lforward_register(lua_State *L);

#endif
