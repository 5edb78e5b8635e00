/* The terminal that we were started from. */
#ifndef RS_API_TERM_H
#define RS_API_TERM_H

#include <lua.h>

int luaopen_rs_term(lua_State *L);

/* Undoes what was done to our terminal's settings; at the end, however that comes. */
void rs_term_restore(void);

#endif
