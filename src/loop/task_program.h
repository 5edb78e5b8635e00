/* From argv to a Lua module that is the program, and back to an exit status. */
#ifndef RS_LOOP_TASK_PROGRAM_H
#define RS_LOOP_TASK_PROGRAM_H

#include <lua.h>

/* The module returns a function of argv, whose [0] is the program, and the version; what that returns is left as the main
 * task's result. Returns as rs_task_main does. */
int rs_task_program(lua_State *L, const char *module, int argc, char **argv);

#endif
