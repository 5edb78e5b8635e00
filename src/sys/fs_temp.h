/* A file that gets its name only when it is complete. Where the kernel can do it, the file has no name at all until then,
 * so that nothing is left of it even after a SIGKILL; only to replace something it has another name for a moment, between
 * two system calls. */
#ifndef RS_SYS_FS_TEMP_H
#define RS_SYS_FS_TEMP_H

#include <stdbool.h>

typedef struct rs_fs_temp {
    int dir;       /* borrowed */
    int fd;        /* open for reading and writing */
    char name[32]; /* "" while it has none */
} rs_fs_temp;

/* The kernel applies the umask (or a default ACL) to mode; some forget it where there is no name. named: with a name from
 * the start. dir must stay open until the end. */
int rs_fs_temp_open(rs_fs_temp *t, int dir, unsigned mode, bool named);

/* Gives it the name, in place of what has it; without replace: -EEXIST when something has it. What a network file system
 * tells only when a file is closed is told before that. */
int rs_fs_temp_commit(rs_fs_temp *t, const char *name, bool replace);

/* Closes and removes; what was committed stays. */
void rs_fs_temp_close(rs_fs_temp *t);

/* A name that nobody can guess: a dot, "rshell-" and 16 letters. */
int rs_fs_temp_name(char out[32]);

/* Calls make with such names until one isn't taken. */
typedef int rs_fs_temp_make(void *user, int dir, const char *name);
int rs_fs_temp_try(int dir, char out[32], rs_fs_temp_make *make, void *user);

#endif
