/* Something that tasks tell each other: who waits is woken by the next notify. */
#ifndef RS_LOOP_TASK_EVENT_H
#define RS_LOOP_TASK_EVENT_H

#include <lua.h>

/* event(): the Lua function that makes one. */
int rs_event_new(lua_State *L);

#endif
