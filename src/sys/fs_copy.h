/* Copies of files and trees. Each file comes to its name complete, links stay links, holes stay holes. */
#ifndef RS_SYS_FS_COPY_H
#define RS_SYS_FS_COPY_H

#include <stdbool.h>
#include <stdint.h>

#include "sys/fs_fail.h"

typedef struct rs_fs_copied {
    uint64_t files; /* and links and fifos, but not folders */
    uint64_t bytes;
    uint64_t skipped; /* files that were the same already */
    uint64_t deleted;
} rs_fs_copied;

typedef struct rs_fs_copy_opts {
    bool replace;  /* what is there is replaced, folders are merged; else it is -EEXIST */
    bool sync;     /* the same, and leaves out what has the same size and time; a file may become a folder */
    bool checksum; /* ... or the same content */
    bool delete;   /* what isn't in the source goes */
    bool preserve; /* times, modes, extended attributes, and with root's rights owners */
} rs_fs_copy_opts;

/* A copy that is taken up again and again; may move between threads, one at a time. A failure ends it. */
typedef struct rs_fs_copier rs_fs_copier;

/* to is the final name. Refuses to copy a folder into itself, and a file onto itself (-EINVAL). */
int rs_fs_copier_new(rs_fs_copier **out, const char *from, const char *to, const rs_fs_copy_opts *opts,
                     rs_fs_fail *fail);
/* Works for so many milliseconds (0: to the end) and a little more. 1 when there is more to do, 0 at the end. */
int rs_fs_copier_step(rs_fs_copier *c, int ms, rs_fs_fail *fail);
const rs_fs_copied *rs_fs_copier_counts(const rs_fs_copier *c);
void rs_fs_copier_free(rs_fs_copier *c);

int rs_fs_copy(const char *from, const char *to, bool replace, rs_fs_copied *n, rs_fs_fail *fail);

#endif
