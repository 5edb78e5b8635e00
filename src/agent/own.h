/* What an agent is to its machine: the streams it was started with, its name in a list of processes.
 *
 * The Lua module rshell.agent.own. */
#ifndef RS_AGENT_OWN_H
#define RS_AGENT_OWN_H

#include <lua.h>

/* First of all: takes 0 and 1 away from what prints, marks every other fd as ours alone, and keeps the room that argv and
 * the environment have for a name. */
void rs_own_init(int argc, char **argv);

/* Our name in a list of processes. */
void rs_own_title(const char *text);

int luaopen_rs_own(lua_State *L);

#endif
