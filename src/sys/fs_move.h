/* Moving, also from one file system to another. */
#ifndef RS_SYS_FS_MOVE_H
#define RS_SYS_FS_MOVE_H

#include "sys/fs_fail.h"

/* rename(2); across file systems a copy under another name next to `to`, a rename of that, and a removal. */
int rs_fs_move(const char *from, const char *to, rs_fs_fail *fail);

#endif
