/* Paths as the system calls take them: a folder that is open and a name in it. The kernel reads at most 4095 bytes of a
 * path at once; longer ones are walked here, so that trees of any depth can be reached. */
#ifndef RS_SYS_FS_AT_H
#define RS_SYS_FS_AT_H

#include <limits.h>
#include <stddef.h>

/* dir is AT_FDCWD where the path fits; name points into the path. */
typedef struct rs_fs_at {
    int dir;
    const char *name;
} rs_fs_at;

/* After a failure there is nothing to close. */
int rs_fs_at_open(rs_fs_at *at, const char *path);
/* The same for a path relative to an open folder (or AT_FDCWD). */
int rs_fs_at_from(rs_fs_at *at, int from, const char *path);
void rs_fs_at_close(rs_fs_at *at);

/* Like openat, for a path of any length. A descriptor, or a negative error. */
int rs_fs_open(int from, const char *path, int flags, unsigned mode);

/* Where the last name of a path stands: whatever is renamed on the way to it later, the place stays the same. */
typedef struct rs_fs_place {
    int dir;                 /* open, O_PATH */
    char name[NAME_MAX + 1]; /* "." where the path has no last name ("/", "a/..") */
} rs_fs_place;

int rs_fs_place_open(rs_fs_place *p, const char *path);
/* While the name is a link, goes to the place it points at, whether there is something or not. Refuses, as the kernel
 * does, links that a stranger put into a folder like /tmp. */
int rs_fs_place_follow(rs_fs_place *p);
void rs_fs_place_close(rs_fs_place *p);

/* The length of a path without the slashes at its end ("/" has none to lose). */
size_t rs_fs_path_len(const char *path);

/* The text of a link, malloc'd; NULL and *err without. */
char *rs_fs_readlink(int dir, const char *name, int *err);

#endif
