/* The folders from the top of a tree down to where we are, as descriptors. Only the lowest of them are open, so depth
 * costs no descriptors; one that was closed is found again as ".." of the one below, and recognized. */
#ifndef RS_SYS_FS_LADDER_H
#define RS_SYS_FS_LADDER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

typedef struct rs_fs_rung {
    int fd; /* -1 while it is closed */
    bool stray;
    dev_t dev;
    ino_t ino;
} rs_fs_rung;

/* Zeroed is empty. */
typedef struct rs_fs_ladder {
    rs_fs_rung *rungs;
    size_t n, cap;
} rs_fs_ladder;

void rs_fs_ladder_fini(rs_fs_ladder *l);

/* Takes fd, also when it fails. stray: its ".." is not the folder above (it was reached through a link), so that one has
 * to stay open. */
int rs_fs_ladder_push(rs_fs_ladder *l, int fd, bool stray);

/* Closes the lowest. -ESTALE when the one above it has been moved away meanwhile; nothing below it may be used then. */
int rs_fs_ladder_pop(rs_fs_ladder *l);

/* The lowest folder; the ladder must not be empty. */
int rs_fs_ladder_fd(const rs_fs_ladder *l);

#endif
