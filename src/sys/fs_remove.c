#include "sys/fs_remove.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "sys/fs_at.h"
#include "sys/fs_tree.h"

/* What is gone already is as good as removed, except for the root. */
static int remove_entry(const rs_fs_visit *v, int flags)
{
    if (unlinkat(v->dir, v->name, flags) == 0 || (errno == ENOENT && v->depth > 0))
        return 0;
    return -errno;
}

/* Enters a folder; what isn't one any more is removed as what it is now. */
static int remove_or_enter(rs_fs_tree *t, const rs_fs_visit *v)
{
    if (v->type != DT_DIR)
        return remove_entry(v, 0);
    int err = rs_fs_tree_enter(t, false, 0);
    if (err == -ENOTDIR || err == -ELOOP)
        return remove_entry(v, 0);
    /* One that can't be read may still be empty. */
    if (err == -EACCES && remove_entry(v, AT_REMOVEDIR) == 0)
        return 0;
    return err == -ENOENT && v->depth > 0 ? 0 : err;
}

static int remove_tree(rs_fs_tree *t, rs_fs_fail *fail)
{
    rs_fs_visit v;
    int got;
    while ((got = rs_fs_tree_next(t, &v)) > 0) {
        int err = v.what == RS_FS_LEAVE ? remove_entry(&v, AT_REMOVEDIR) : remove_or_enter(t, &v);
        rs_fs_fail_note(fail, err, v.depth ? v.path : NULL);
    }
    rs_fs_fail_note(fail, got, NULL);
    return fail->err;
}

static bool is_root(int dir, const char *name)
{
    struct stat st, root;
    return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && stat("/", &root) == 0 && st.st_dev == root.st_dev &&
           st.st_ino == root.st_ino;
}

int rs_fs_remove_at(int dir, const char *name, const char *shown, bool recursive, rs_fs_fail *fail)
{
    if (unlinkat(dir, name, 0) == 0)
        return 0;
    /* A folder is EISDIR in Linux, but some file systems say EPERM as POSIX has it. */
    int err = -errno;
    struct stat st;
    if (err == -ENOENT || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISDIR(st.st_mode))
        return rs_fs_fail_note(fail, err, NULL);
    if (!recursive)
        return rs_fs_fail_note(fail, -EISDIR, NULL);
    if (is_root(dir, name))
        return rs_fs_fail_note(fail, RS_EUSAGE, NULL);
    rs_fs_tree *t;
    err = rs_fs_tree_new_at(&t, dir, name, shown);
    if (err)
        return rs_fs_fail_note(fail, err, NULL);
    err = remove_tree(t, fail);
    rs_fs_tree_free(t);
    return err;
}

int rs_fs_remove(const char *path, bool recursive, rs_fs_fail *fail)
{
    rs_fs_place p;
    int err = rs_fs_place_open(&p, path);
    if (err)
        return rs_fs_fail_note(fail, err, NULL);
    if (strcmp(p.name, ".") == 0)
        err = rs_fs_fail_note(fail, is_root(p.dir, ".") ? RS_EUSAGE : -EINVAL, NULL);
    else
        err = rs_fs_remove_at(p.dir, p.name, path, recursive, fail);
    rs_fs_place_close(&p);
    return err;
}
