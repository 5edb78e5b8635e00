/* Starts a process: argv goes to execve as it is, no shell ever sees it. */
#ifndef RS_LOOP_SPAWN_H
#define RS_LOOP_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

/* An account's numbers, asked before the process starts. */
typedef struct rs_spawn_ids {
    uid_t uid;
    gid_t gid;
    const gid_t *groups;
    int ngroups;
} rs_spawn_ids;

typedef struct rs_spawn_spec {
    const char *const *argv; /* ends with NULL; argv[0] without a slash is looked up in PATH of env */
    const char *other;       /* a second name, tried where there is no argv[0]; NULL for none */
    const char *const *env;  /* the whole environment, ends with NULL */
    const char *cwd;         /* NULL: ours */
    int fds[3];              /* become 0, 1 and 2 there; the caller keeps them */
    pid_t group;             /* 0: its own process group; else the one to join */
    int umask;               /* -1: ours */
    const rs_spawn_ids *ids; /* NULL: stays who we are */
    bool terminal;           /* fds[0] becomes its controlling terminal, in a session of its own */
    int foreground;          /* a terminal of ours whose foreground group it becomes; -1: none */
    bool keep;               /* outlives us: a session of its own, no death signal */
    const char *late[3];     /* FIFOs to open as 0, 1 or 2 when all else is done, as sh does: that waits for the other
                                side, in the new process. NULL: none, fds counts */
    int late_flags[3];       /* of open(2) */
    bool late_err_is_out;    /* 2 becomes what late[1] is */
} rs_spawn_spec;

/* The step at which a start failed. */
typedef enum rs_spawn_step {
    RS_SPAWN_FORK,
    RS_SPAWN_GROUP,
    RS_SPAWN_TERMINAL,
    RS_SPAWN_USER,
    RS_SPAWN_CWD,
    RS_SPAWN_FDS,
    RS_SPAWN_EXEC,
    RS_SPAWN_INTERPRETER, /* the program is there, the interpreter that its first line names is not */
} rs_spawn_step;

typedef struct rs_spawned {
    pid_t pid;
    int pidfd;          /* the caller closes it; -1 where the kernel has none */
    rs_spawn_step step; /* when it failed */
} rs_spawned;

/* 0 when the program runs (execve has succeeded), or why not. With late ones it is 0 as soon as the process is there, and
 * what fails then ends it with status 127. To be called on the loop's thread only: the death signal comes
 * when the thread that called this ends. */
int rs_spawn(const rs_spawn_spec *spec, rs_spawned *out);

#endif
