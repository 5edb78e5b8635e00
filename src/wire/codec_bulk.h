/* Strings of bulk data: what streams, files and messages bring in long pieces, that are mostly dropped as soon as they are used.
 *
 * Lua's collector counts every byte: where a program has 3 MB that stay, it would look through all of them again for each few
 * megabytes that are read. So a long string isn't counted towards the next time that it begins, as long as Lua has little memory
 * in all. */
#ifndef RS_WIRE_CODEC_BULK_H
#define RS_WIRE_CODEC_BULK_H

#include <lua.h>
#include <stddef.h>

/* Long strings don't count while Lua has fewer bytes than this, garbage included. 12 MiB at first; 0: they all count. */
void rs_bulk_allow(size_t bytes);

/* As lua_pushlstring. */
void rs_bulk_push(lua_State *L, const char *bytes, size_t n);

#endif
