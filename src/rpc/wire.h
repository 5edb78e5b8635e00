/* The Lua module rshell.wire: the codec of the wire, for tests and for what is written in Lua.
 *
 *     encode(export | nil, ...) -> string                 raises "usage" for what can't be sent
 *     decode(import | nil, bytes) -> values...            or nil, text, "EPROTOCOL" */
#ifndef RS_RPC_WIRE_H
#define RS_RPC_WIRE_H

#include <lua.h>

int luaopen_rs_wire(lua_State *L);

#endif
