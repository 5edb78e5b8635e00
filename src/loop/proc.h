/* Process groups: one command, or the stages of a pipeline, started together, signalled together and reaped together.
 *
 * A group is ours from its start until its leader is reaped, and nothing is reaped before rs_proc_release: so its number
 * can't belong to anybody else while we may signal it. */
#ifndef RS_LOOP_PROC_H
#define RS_LOOP_PROC_H

#include <stdbool.h>
#include <sys/types.h>

#include "loop/loop.h"
#include "loop/spawn.h"

typedef struct rs_pgroup rs_pgroup;

/* All that a process left when it ended. */
typedef struct rs_exit {
    bool ended;
    int code;   /* exit status; -1 when a signal ended it */
    int signal; /* that signal, or 0 */
    /* What it has used, with those of its children that it waited for: seconds of CPU, and bytes at most. */
    double user, system, memory;
} rs_exit;

/* all_ended(user) is called once, from the loop, when the last member that was started has ended. NULL without memory. */
rs_pgroup *rs_pgroup_new(rs_loop *l, int max, void (*all_ended)(void *user), void *user);

/* Starts one more process; its group is set here. rs_spawn's results. */
int rs_pgroup_spawn(rs_pgroup *g, rs_spawn_spec *spec, rs_spawned *out);

int rs_pgroup_count(const rs_pgroup *g);
pid_t rs_pgroup_pid(const rs_pgroup *g, int i);
/* The group's number; 0 while it has no member, and once it was released. */
pid_t rs_pgroup_id(const rs_pgroup *g);
rs_exit rs_pgroup_exit(const rs_pgroup *g, int i);
bool rs_pgroup_all_ended(const rs_pgroup *g);

/* Sends sig to the whole group: 0, or -ESRCH when it is not ours any more. */
int rs_pgroup_signal(rs_pgroup *g, int sig);

/* TERM, and KILL half a second later if something of it still runs then, or already when all members have ended. */
void rs_pgroup_end(rs_pgroup *g);

/* Gives up the group: what has ended is reaped; what still runs is reaped when it ends. g is gone afterwards and all_ended
 * won't be called. What the command put into the background lives on. NULL is fine. */
void rs_pgroup_release(rs_pgroup *g);

/* From now on told(group, true) is called for each group that is to end with us, as soon as it is there, and told(group,
 * false) before its number can belong to others. */
void rs_pgroup_tell(void (*told)(pid_t group, bool alive));

/* Stops watching what was released and still runs: for the end of the program, before the loop is freed. */
void rs_pgroups_forget(void);

/* Off: exits are learned from SIGCHLD also where the kernel has pidfds. For tests; before the first process. */
void rs_pgroup_use_pidfd(bool on);

#endif
