/* Removal of files and trees. */
#ifndef RS_SYS_FS_REMOVE_H
#define RS_SYS_FS_REMOVE_H

#include <stdbool.h>

#include "sys/fs_fail.h"

/* A file, or with recursive a whole tree; goes on after a failure, and tells the first. Never follows a link, also when
 * somebody puts one in the place of a folder meanwhile. Refuses the root of the file system (RS_EUSAGE). */
int rs_fs_remove(const char *path, bool recursive, rs_fs_fail *fail);
/* The same in an open folder; shown is the path that failures show. */
int rs_fs_remove_at(int dir, const char *name, const char *shown, bool recursive, rs_fs_fail *fail);

#endif
