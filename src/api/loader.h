/* Where `require` finds the modules rshell and rshell.*: in the program, or in debug builds in the source tree's lua/. */
#ifndef RS_API_LOADER_H
#define RS_API_LOADER_H

#include <lua.h>

/* Puts our searcher behind the one of package.preload. It ends the search for our names, so nothing in package.path can
 * pose as one of our modules. */
void rs_loader_install(lua_State *L);

#endif
