/* One line below all other output that tells how far things are, at a terminal.
 *
 * Whoever writes to standard output or error takes it away first, and whoever draws it waits until the others have ended
 * their line: so it is never in the midst of anything. */
#ifndef RS_API_STATUS_H
#define RS_API_STATUS_H

#include <lua.h>
#include <stdbool.h>

/* Before anything else is written; from any thread. */
void rs_status_clear(void);

/* Something was written to standard output or error (fd), and ended with a newline or not. */
void rs_status_wrote(int fd, bool ended);

/* Leaves the module rshell.output.line: possible, start, stop, draw, clear. */
int luaopen_rs_status(lua_State *L);

#endif
