#include "wire/codec_bulk.h"

#include <stdbool.h>

enum { KIB = 1024, LONG = 4 * KIB };

static size_t allowed = 12 * KIB; /* KiB; several times what modules take */

void rs_bulk_allow(size_t bytes)
{
    allowed = bytes / KIB;
}

/* Not where the collector has been stopped: to be told of what it owes would make it go on. */
static bool may_wait(lua_State *L, size_t kib)
{
    return kib < allowed && lua_gc(L, LUA_GCISRUNNING) == 1 && (size_t)lua_gc(L, LUA_GCCOUNT) + kib < allowed;
}

/* The debt, which says when the collector goes on, is lowered by what the string is about to add to it. Beyond the limit it
 * grows again as always: there are never more bytes than `allowed` and what Lua itself would have waited for. */
void rs_bulk_push(lua_State *L, const char *bytes, size_t n)
{
    if (n >= LONG && may_wait(L, n / KIB))
        (void)lua_gc(L, LUA_GCSTEP, -(int)(n / KIB));
    lua_pushlstring(L, bytes, n);
}
