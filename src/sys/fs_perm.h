/* Modes and owners. */
#ifndef RS_SYS_FS_PERM_H
#define RS_SYS_FS_PERM_H

#include <stdbool.h>
#include <sys/types.h>

#include "sys/fs_fail.h"
#include "sys/fs_mode.h"

/* These go on after a failure too. A link that path is itself is followed, those in the tree are left out. */
int rs_fs_chmod(const char *path, const rs_mode *mode, bool recursive, rs_fs_fail *fail);
/* (uid_t)-1 and (gid_t)-1 leave it alone. Links in a tree, and without follow path itself, are changed themselves. */
int rs_fs_chown(const char *path, uid_t uid, gid_t gid, bool recursive, bool follow, rs_fs_fail *fail);

#endif
