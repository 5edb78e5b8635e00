/* Standard input and output of the program. */
#ifndef RS_API_STDIO_H
#define RS_API_STDIO_H

#include <lua.h>
#include <stdbool.h>

/* From then on `print`, `io.write` and `file:write` notice when nobody reads our output any more: the program is interrupted,
 * as if a signal had come, since most scripts never look at what a write returns. Once, after luaL_openlibs. */
void rs_stdio_watch(lua_State *L);

/* Flushes standard output: 0, or why not all of it could be written, now or before: an error. */
int rs_stdio_flush(void);

/* Leaves the module rshell.stdio: input() gives a stream that reads standard input. */
int luaopen_rs_stdio(lua_State *L);

#endif
