/* Making, removing and changing what is there. */
#ifndef RS_SYS_FS_CHANGE_H
#define RS_SYS_FS_CHANGE_H

#include <stdbool.h>
#include <sys/types.h>

#include "sys/fs_attr.h"

/* The first thing that failed in something that touches many. Zeroed is none. */
typedef struct rs_fs_fail {
    int err;
    char *path; /* malloc'd; NULL: the path that was given */
} rs_fs_fail;

/* Keeps the first; path is copied. Returns err. */
int rs_fs_fail_note(rs_fs_fail *f, int err, const char *path);
void rs_fs_fail_fini(rs_fs_fail *f);

typedef struct rs_fs_mkdir_opts {
    rs_fs_make make;
    bool parents, exist_ok;
} rs_fs_mkdir_opts;
int rs_fs_mkdir(const char *path, const rs_fs_mkdir_opts *opts);

/* A folder of our own (0700) called dir/prefix and 16 letters; *out is malloc'd. dir NULL: $TMPDIR, or /tmp. */
int rs_fs_mktemp_dir(const char *dir, const char *prefix, char **out);

int rs_fs_unlink(const char *path);
int rs_fs_rmdir(const char *path);

/* A file, or with recursive a whole tree; goes on after a failure, and tells the first. Never follows a link, also when
 * somebody puts one in the place of a folder meanwhile. Refuses the root of the file system (RS_EUSAGE). */
int rs_fs_remove(const char *path, bool recursive, rs_fs_fail *fail);
/* The same in an open folder; shown is the path that failures show. */
int rs_fs_remove_at(int dir, const char *name, const char *shown, bool recursive, rs_fs_fail *fail);

/* These go on after a failure too. A link that path is itself is followed, those in the tree are left out. */
int rs_fs_chmod(const char *path, const rs_mode *mode, bool recursive, rs_fs_fail *fail);
/* (uid_t)-1 and (gid_t)-1 leave it alone. Links in a tree, and without follow path itself, are changed themselves. */
int rs_fs_chown(const char *path, uid_t uid, gid_t gid, bool recursive, bool follow, rs_fs_fail *fail);

int rs_fs_symlink(const char *target, const char *path);
int rs_fs_link(const char *target, const char *path);
int rs_fs_rename(const char *from, const char *to);

#endif
