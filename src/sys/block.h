/* Blocks: bytes on their way between files and streams, as Lua objects.
 *
 * They are in memory that is used again. Strings of that size would have Lua look through all that it has for each few of
 * them, and an allocator that maps each of them anew, as musl's does, takes longer than a copy.
 *
 *     block:text() -> string               #block
 *
 * Whoever gets one to write takes its bytes: it is empty from then on. */
#ifndef RS_SYS_BLOCK_H
#define RS_SYS_BLOCK_H

#include <lua.h>

#include "base/buf.h"

/* Pushes a new one; raises without memory. Its buffer, to be filled by rs_buf_swap, is valid as long as the object. */
rs_buf *rs_block_push(lua_State *L);

/* The buffer of the block at index i; NULL where there is none. */
rs_buf *rs_block_test(lua_State *L, int i);

/* Takes memory that was put aside, and puts some aside. Both on the loop's thread; the buffer is empty afterwards. */
void rs_block_get(rs_buf *b);
void rs_block_put(rs_buf *b);

/* Frees what was put aside. */
void rs_block_trim(void);

/* Registers the class. */
void rs_block_register(lua_State *L);

#endif
