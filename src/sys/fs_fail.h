/* The first thing that failed in something that touches many. */
#ifndef RS_SYS_FS_FAIL_H
#define RS_SYS_FS_FAIL_H

/* Zeroed is none. */
typedef struct rs_fs_fail {
    int err;
    char *path; /* malloc'd; NULL: the path that was given */
} rs_fs_fail;

/* Keeps the first; path is copied. Returns err. */
int rs_fs_fail_note(rs_fs_fail *f, int err, const char *path);
/* The same, but takes path, which is malloc'd. */
int rs_fs_fail_note_taken(rs_fs_fail *f, int err, char *path);
void rs_fs_fail_fini(rs_fs_fail *f);

#endif
