#include "sys/fs_perm.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/fs_at.h"
#include "sys/fs_attr.h"
#include "sys/fs_tree.h"

static int chmod_entry(const rs_fs_visit *v, const rs_mode *mode, unsigned *result)
{
    struct stat st;
    if (fstatat(v->dir, v->name, &st, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT && v->depth > 0 ? 0 : -errno;
    if (S_ISLNK(st.st_mode))
        return 0;
    *result = rs_mode_apply(mode, st.st_mode, S_ISDIR(st.st_mode));
    if (*result == (st.st_mode & 07777))
        return 0;
    return rs_fs_attr_chmod_at(v->dir, v->name, *result);
}

/* A folder that we could not read any more gets its mode on the way back. */
static int chmod_visit(rs_fs_tree *t, const rs_fs_visit *v, const rs_mode *mode)
{
    struct stat st;
    unsigned result = 0;
    if (v->what == RS_FS_LEAVE || v->type != DT_DIR)
        return chmod_entry(v, mode, &result);
    if (fstatat(v->dir, v->name, &st, AT_SYMLINK_NOFOLLOW))
        return -errno;
    int err = (rs_mode_apply(mode, st.st_mode, true) & 0500) == 0500 ? chmod_entry(v, mode, &result) : 0;
    if (err)
        return err;
    err = rs_fs_tree_enter(t, false, 0);
    return err == -ENOTDIR || err == -ELOOP ? 0 : err;
}

static int chmod_path(const char *path, const rs_mode *mode)
{
    rs_fs_at at;
    struct stat st;
    int err = rs_fs_at_open(&at, path);
    if (err)
        return err;
    if (fstatat(at.dir, at.name, &st, 0) ||
        fchmodat(at.dir, at.name, rs_mode_apply(mode, st.st_mode, S_ISDIR(st.st_mode)), 0))
        err = -errno;
    rs_fs_at_close(&at);
    return err;
}

static bool is_link(const char *path)
{
    rs_fs_at at;
    struct stat st;
    if (rs_fs_at_open(&at, path))
        return false;
    bool link = fstatat(at.dir, at.name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
    rs_fs_at_close(&at);
    return link;
}

int rs_fs_chmod(const char *path, const rs_mode *mode, bool recursive, rs_fs_fail *fail)
{
    rs_fs_tree *t;
    rs_fs_visit v;
    int got, err;
    if (!recursive || is_link(path))
        return rs_fs_fail_note(fail, chmod_path(path, mode), NULL);
    err = rs_fs_tree_new(&t, path);
    if (err)
        return rs_fs_fail_note(fail, err, NULL);
    while ((got = rs_fs_tree_next(t, &v)) > 0)
        rs_fs_fail_note(fail, chmod_visit(t, &v, mode), v.depth ? v.path : NULL);
    rs_fs_fail_note(fail, got, NULL);
    rs_fs_tree_free(t);
    return fail->err;
}

static int chown_path(const char *path, uid_t uid, gid_t gid, bool follow)
{
    rs_fs_at at;
    int err = rs_fs_at_open(&at, path);
    if (err)
        return err;
    err = fchownat(at.dir, at.name, uid, gid, follow ? 0 : AT_SYMLINK_NOFOLLOW) ? -errno : 0;
    rs_fs_at_close(&at);
    return err;
}

static int chown_visit(rs_fs_tree *t, const rs_fs_visit *v, uid_t uid, gid_t gid)
{
    if (v->what == RS_FS_LEAVE)
        return 0;
    if (fchownat(v->dir, v->name, uid, gid, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT && v->depth > 0 ? 0 : -errno;
    int err = v->type == DT_DIR ? rs_fs_tree_enter(t, false, 0) : 0;
    return err == -ENOTDIR || err == -ELOOP ? 0 : err;
}

int rs_fs_chown(const char *path, uid_t uid, gid_t gid, bool recursive, bool follow, rs_fs_fail *fail)
{
    rs_fs_tree *t;
    rs_fs_visit v;
    int got, err;
    if (!recursive || is_link(path))
        return rs_fs_fail_note(fail, chown_path(path, uid, gid, follow), NULL);
    err = rs_fs_tree_new(&t, path);
    if (err)
        return rs_fs_fail_note(fail, err, NULL);
    while ((got = rs_fs_tree_next(t, &v)) > 0)
        rs_fs_fail_note(fail, chown_visit(t, &v, uid, gid), v.depth ? v.path : NULL);
    rs_fs_fail_note(fail, got, NULL);
    rs_fs_tree_free(t);
    return fail->err;
}
