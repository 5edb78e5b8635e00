/* Standard input, output and error of the program. */
#ifndef RS_API_STDIO_H
#define RS_API_STDIO_H

#include <lua.h>
#include <stdbool.h>

/* At the very start: what was started with 0, 1 or 2 closed gets something there that can't be read or written, so that no
 * file of ours lands on these numbers. */
void rs_stdio_claim(void);

/* From then on `print`, `io.write` and `file:write` notice when nobody reads our output any more: the program is interrupted,
 * as if a signal had come, since most scripts never look at what a write returns. Once, after luaL_openlibs. */
void rs_stdio_watch(lua_State *L);

/* Flushes standard output: 0, or why not all of it could be written, now or before: an error. */
int rs_stdio_flush(void);

/* Leaves the module rshell.stdio: input() gives a stream that reads standard input. */
int luaopen_rs_stdio(lua_State *L);

#endif
