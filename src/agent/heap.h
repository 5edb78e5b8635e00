/* The heap of the agent's Lua state, which may have a limit. */
#ifndef RS_AGENT_HEAP_H
#define RS_AGENT_HEAP_H

#include <stddef.h>

/* For lua_newstate. */
void *rs_heap_alloc(void *unused, void *block, size_t before, size_t after);

/* Past so many bytes there is no memory; 0 for no limit. */
void rs_heap_limit(size_t bytes);

#endif
