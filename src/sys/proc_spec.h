/* What Lua says about processes to start, as a table, read into what the spawner takes. */
#ifndef RS_SYS_PROC_SPEC_H
#define RS_SYS_PROC_SPEC_H

#include <lua.h>

#include "loop/proc.h"

/* Our ends of the pipes; -1 where there is none. */
typedef struct rs_proc_ends {
    int in, out, err;
} rs_proc_ends;

/* Where and why a start failed. */
typedef struct rs_proc_failure {
    int err;
    int stage; /* from 1 */
    rs_spawn_step step;
    const char *file; /* a redirection that could not be opened; belongs to the table */
} rs_proc_failure;

/* How many stages the table at index i describes; raises for one that is malformed. */
int rs_proc_spec_check(lua_State *L, int i);

/* Starts all stages of the table at index i in g. On failure nothing is left open, and what had started is killed. The caller
 * closes the ends. May raise before anything was opened. */
int rs_proc_spec_start(lua_State *L, int i, rs_pgroup *g, rs_proc_ends *ends, rs_proc_failure *f);

/* nil, text, NAME, {stage=, step=, file=} */
int rs_proc_failure_push(lua_State *L, const rs_proc_failure *f);

/* "TERM", "SIGTERM" or a number, at index i; raises for what is no signal. */
int rs_proc_check_signal(lua_State *L, int i);

/* "KILL"; a number as text where nobody named it. Valid until the next call. */
const char *rs_proc_signal_name(int sig);

#endif
