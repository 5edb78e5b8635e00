/* Files read and written as a whole. */
#ifndef RS_SYS_FS_DATA_H
#define RS_SYS_FS_DATA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "sys/fs_attr.h"

/* Adds n bytes from offset on, fewer at the end of the file. RS_ELIMIT for more than 1 GiB that no file size announced. */
int rs_fs_read(const char *path, uint64_t offset, uint64_t n, rs_buf *out);

typedef struct rs_fs_write_opts {
    rs_fs_make make;
    bool in_place; /* no temporary file: what fails half-way leaves half a file */
    bool sync;     /* it is on the disk when this returns */
} rs_fs_write_opts;

/* Replaces what path, or the link that it is, names. Owner, group, mode and extended attributes of the old file stay.
 * Where the account may write the file but not replace it (by its folder's rights, or to keep its owner), and what isn't
 * a regular file, is written in place. */
int rs_fs_write(const char *path, const void *data, size_t n, const rs_fs_write_opts *opts);
int rs_fs_append(const char *path, const void *data, size_t n, const rs_fs_write_opts *opts);

/* Makes the file if it isn't there. times NULL: now. */
int rs_fs_touch(const char *path, const struct timespec times[2], const rs_fs_make *make);
int rs_fs_truncate(const char *path, uint64_t size);

/* Opens with O_CREAT as rs_fs_make says; a mode is set exactly also on a file that was there. A descriptor or an error. */
int rs_fs_open_make(const char *path, int flags, const rs_fs_make *make);

#endif
