/* Folders and names: made, and removed one at a time. */
#ifndef RS_SYS_FS_CHANGE_H
#define RS_SYS_FS_CHANGE_H

#include <stdbool.h>

#include "sys/fs_attr.h"

typedef struct rs_fs_mkdir_opts {
    rs_fs_make make;
    bool parents, exist_ok;
} rs_fs_mkdir_opts;
int rs_fs_mkdir(const char *path, const rs_fs_mkdir_opts *opts);

/* A folder of our own (0700) called dir/prefix and 16 letters; *out is malloc'd. dir NULL: $TMPDIR, or /tmp. */
int rs_fs_mktemp_dir(const char *dir, const char *prefix, char **out);

int rs_fs_unlink(const char *path);
int rs_fs_rmdir(const char *path);

int rs_fs_symlink(const char *target, const char *path);
int rs_fs_link(const char *target, const char *path);
int rs_fs_rename(const char *from, const char *to);

#endif
