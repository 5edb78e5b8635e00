#include "sys/fs_fail.h"

#include <stdlib.h>
#include <string.h>

int rs_fs_fail_note_taken(rs_fs_fail *f, int err, char *path)
{
    if (err && !f->err)
        *f = (rs_fs_fail){err, path};
    else
        free(path);
    return err;
}

int rs_fs_fail_note(rs_fs_fail *f, int err, const char *path)
{
    return rs_fs_fail_note_taken(f, err, err && path ? strdup(path) : NULL);
}

void rs_fs_fail_fini(rs_fs_fail *f)
{
    free(f->path);
    *f = (rs_fs_fail){0};
}
