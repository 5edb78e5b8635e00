/* The Lua module rshell.tree: lists of trees (sys/tree_list.h) as the tables that plans are made of. */
#ifndef RS_API_TREE_H
#define RS_API_TREE_H

#include <lua.h>

int luaopen_rs_tree_nodes(lua_State *L);

#endif
