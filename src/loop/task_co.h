/* Between task.c and task_co.c: user coroutines inside tasks. A wait in a user coroutine is passed outward to its task, and the
 * end of the wait inward again. */
#ifndef RS_LOOP_TASK_CO_H
#define RS_LOOP_TASK_CO_H

#include <lua.h>
#include <stdbool.h>

/* Notes about one coroutine, kept in its extra space. */
enum {
    RS_CO_PARKED = 1,  /* it waits: only its own task may resume it */
    RS_CO_CLOSING = 2, /* it is being closed: a yield would be taken for an error */
    RS_CO_TASK = 4,    /* it is a task's own, which users see as a main thread */
    RS_CO_NOTES = 7,
};

void rs_co_note(lua_State *co, unsigned note, bool on);
bool rs_co_noted(lua_State *co, unsigned note);

/* lua_resume, with the record of which state is running. */
int rs_co_resume(lua_State *co, lua_State *from, int nargs, int *nres);

/* True when the coroutine that has just yielded did so because it waits. */
bool rs_co_parking(lua_State *L);

/* Waits inside this call for what the parked coroutine waits for. */
void rs_co_wait_in_place(lua_State *L);

/* Replaces the functions of `coroutine`. */
void rs_co_install(lua_State *L);

#endif
