/* Streams as Lua objects: read, lines, write, shutdown, close. */
#ifndef RS_SYS_STREAM_H
#define RS_SYS_STREAM_H

#include <lua.h>

#include "loop/stream.h"

/* Typed on a terminal: the first ends a line that is under way, the second says that nothing more will come. */
#define RS_END_OF_INPUT "\4\4"

/* Pushes a new stream object that owns s; raises without memory, and frees s then. */
void rs_lstream_push(lua_State *L, rs_stream *s);

/* Failures of the object at index i name the host at index host: a string, or nil; or a table with the fields host, and why
 * once nothing of it goes any more, which is told then. */
void rs_lstream_set_host(lua_State *L, int i, int host);

/* When the object is dropped without being closed its bytes are read and thrown away, so that who writes them goes on. */
void rs_lstream_drain(lua_State *L, int i);

/* What the object at index i writes goes to a terminal: closing it types the end of file there. */
void rs_lstream_is_terminal(lua_State *L, int i);

/* Takes the stream out of the object at index i, which is closed then; raises where it is closed, or in use. */
rs_stream *rs_lstream_take(lua_State *L, int i);

/* Pushes an object that owns the fd; raises when that fails, and closes the fd then. shared as in rs_stream_open_fd. */
void rs_lstream_push_fd(lua_State *L, int fd, bool shared);

/* Takes the fd out of the stream object at index i, which is closed then; a negative rs_err where it has none to give. */
int rs_lstream_take_fd(lua_State *L, int i);

/* Closes the stream object at index i, as its :close() does. */
void rs_lstream_close(lua_State *L, int i);

/* Ends what is still being thrown away, before the loop is freed. */
void rs_lstream_fini(void);

/* Registers the class. */
void rs_lstream_register(lua_State *L);

#endif
