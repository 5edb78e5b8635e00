/* Work that would block or burn CPU, done on a thread of the pool while a task waits. */
#ifndef RS_LOOP_JOB_H
#define RS_LOOP_JOB_H

#include <lua.h>

typedef struct rs_job_class {
    void (*run)(void *job);                 /* on a worker: no Lua, no loop, no log */
    int (*finish)(lua_State *L, void *job); /* on the loop's thread: pushes results, returns how many; may raise */
    void (*drop)(void *job);                /* frees; called once, whatever happened, after run has returned */
} rs_job_class;

/* Takes job, runs it and waits: `return rs_job_run(L, &class, job)`. A waiter that is cancelled leaves at once; the work
 * goes on and is dropped when it returns. */
int rs_job_run(lua_State *L, const rs_job_class *class, void *job);

#endif
